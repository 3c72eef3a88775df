package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// objects copies the content of blobs, some at a time; see
// sqlmeta.CopyOptions.
func (p *pass) objects(ctx context.Context, blobs []meta.Blob) []error {
	errs := make([]error, len(blobs))
	var g errgroup.Group
	g.SetLimit(p.o.Concurrency)
	for i, b := range blobs {
		g.Go(func() error {
			if ctx.Err() != nil {
				errs[i] = ctx.Err()
				return nil
			}
			if err := p.object(ctx, b); err != nil {
				errs[i] = fmt.Errorf("copy blob %s: %w", b.Digest, err)
			}
			return nil
		})
	}
	_ = g.Wait() // errors are in errs
	return errs
}

// object copies the content of a blob under the same key, unless an earlier pass
// has. It is not visible there before all of it has been found right.
func (p *pass) object(ctx context.Context, b meta.Blob) error {
	if p.again {
		if there, err := p.prepare(ctx, b); err != nil || there {
			return err
		}
	}
	from, err := p.from.Blobs.Open(ctx, b.Key)
	if errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("%w: %w", sqlmeta.ErrLeftOut, err)
	}
	if err != nil {
		return err
	}
	content := blob.NewReader(from, b.Size, b.Sums, 0, b.Size)
	defer content.Close()
	to, err := p.to.Blobs.Create(ctx, b.Key)
	if err != nil {
		return err
	}
	defer to.Close()
	if err := p.checked(content, to, b); err != nil {
		return errors.Join(err, to.Close(), p.to.Blobs.Delete(context.WithoutCancel(ctx), b.Key))
	}
	if err := to.Commit(); err != nil {
		return err
	}
	p.progress.object(b.Size)
	return nil
}

// prepare tells whether the target has an object already, and takes away what an
// earlier pass has left of it otherwise.
func (p *pass) prepare(ctx context.Context, b meta.Blob) (there bool, err error) {
	obj, err := p.to.Blobs.Open(ctx, b.Key)
	if err == nil {
		there = obj.Size() == b.Size
		err = obj.Close()
	} else if errors.Is(err, blob.ErrNotFound) {
		err = nil
	}
	if err == nil && !there {
		err = p.to.Blobs.Delete(ctx, b.Key)
	}
	return there, err
}

// checked copies content and compares its digest.
func (p *pass) checked(content *blob.Reader, to io.Writer, b meta.Blob) error {
	digester, err := blob.NewDigester(b.Digest.Algorithm())
	if err != nil {
		return err
	}
	sink := &sink{to: to}
	_, err = content.WriteTo(io.MultiWriter(digester, sink))
	switch {
	case sink.err != nil, errors.Is(err, blob.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err // of a store that does not do its work
	case err != nil:
		return fmt.Errorf("%w: %w", sqlmeta.ErrLeftOut, err)
	}
	got, err := digester.Digest(b.Digest.Algorithm())
	if err == nil && got != b.Digest {
		err = fmt.Errorf("%w: the content has the digest %s", sqlmeta.ErrLeftOut, got)
	}
	return err
}

// sink remembers that the target has failed, and not the source.
type sink struct {
	to  io.Writer
	err error
}

// Write implements io.Writer.
func (s *sink) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}
