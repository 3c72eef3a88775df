package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

// maxHeld is how much of a stream, in bytes, is held in memory to see whether
// that is all of it.
const maxHeld = 1 << 20

// blobPusher pushes one blob.
type blobPusher struct {
	t        *target
	want     orlop.Descriptor // what the content must be: digest "" and size -1 if that is not known
	progress *output.Progress
}

// push pushes content as a blob whose descriptor is known before, if it can be,
// else as a stream.
func (b *blobPusher) push(ctx context.Context, content io.Reader) (orlop.Descriptor, error) {
	if f, ok := content.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return b.pushFile(ctx, f, info.Size())
		}
	}
	head, err := io.ReadAll(io.LimitReader(content, maxHeld+1))
	if err != nil {
		return orlop.Descriptor{}, fmt.Errorf("read the blob: %w", err)
	}
	if len(head) <= maxHeld {
		d, err := b.describe(b.algorithm().FromBytes(head), int64(len(head)))
		if err != nil {
			return d, err
		}
		return d, b.pushKnown(ctx, d, bytes.NewReader(head))
	}
	content = io.MultiReader(bytes.NewReader(head), content)
	if b.want.Digest != "" && b.want.Size >= 0 {
		return b.want, b.pushKnown(ctx, b.want, &exactReader{r: content, left: b.want.Size})
	}
	return b.pushStream(ctx, content)
}

// pushFile pushes a file. If its digest is given it is read once: where it goes
// to it is checked.
func (b *blobPusher) pushFile(ctx context.Context, f *os.File, size int64) (orlop.Descriptor, error) {
	dgst := b.want.Digest
	if dgst == "" {
		var err error
		if dgst, err = b.algorithm().FromReader(io.NewSectionReader(f, 0, size)); err != nil {
			return orlop.Descriptor{}, fmt.Errorf("read the blob: %w", err)
		}
	}
	d, err := b.describe(dgst, size)
	if err != nil {
		return d, err
	}
	return d, b.pushKnown(ctx, d, f)
}

// algorithm is that of the digest.
func (b *blobPusher) algorithm() digest.Algorithm {
	if b.want.Digest != "" {
		return b.want.Digest.Algorithm()
	}
	return digest.Canonical
}

// describe returns the descriptor of content, which must be what is wanted.
func (b *blobPusher) describe(dgst digest.Digest, size int64) (orlop.Descriptor, error) {
	d := b.want
	if d.Size >= 0 && d.Size != size {
		return d, fmt.Errorf("the content has %d bytes, not %d", size, d.Size)
	}
	if d.Digest != "" && d.Digest != dgst {
		return d, fmt.Errorf("the content has the digest %s, not %s", dgst, d.Digest)
	}
	d.Digest, d.Size = dgst, size
	return d, nil
}

// pushKnown pushes content of a known descriptor, unless it is there.
func (b *blobPusher) pushKnown(ctx context.Context, d orlop.Descriptor, content io.Reader) error {
	there, err := b.t.StatBlob(ctx, b.t.repo, d.Digest)
	switch {
	case err == nil && there.Size == d.Size:
		b.progress.Event("Exists", d)
		return nil
	case err != nil && !isNotFound(err):
		return err
	}
	task := b.progress.Start("Uploading", d)
	if f, ok := content.(*os.File); ok {
		content = &trackedFile{f, task}
	}
	if err := b.t.PushBlob(ctx, b.t.repo, d, content); err != nil {
		task.Fail()
		if errors.Is(err, orlop.ErrDigestInvalid) {
			return withHint(local(fmt.Errorf("the content does not have the digest %s: %w", d.Digest, err)),
				"leave the digest out, or wait until the file is complete")
		}
		return err
	}
	task.Done("Uploaded")
	return nil
}

// pushStream sends content as it comes, and names it when it has ended.
func (b *blobPusher) pushStream(ctx context.Context, content io.Reader) (orlop.Descriptor, error) {
	task := b.progress.Transient("Uploading", orlop.Descriptor{MediaType: b.want.MediaType, Size: -1})
	defer task.Drop()
	w, err := b.t.openStream(ctx)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	d, err := b.stream(ctx, w, content, task)
	if err != nil {
		_ = w.Cancel(ctx) // the first error is the one to tell
		return orlop.Descriptor{}, err
	}
	b.progress.Event("Uploaded", d)
	return d, nil
}

func (b *blobPusher) stream(ctx context.Context, w orlop.BlobWriter, content io.Reader, task *output.Task) (orlop.Descriptor, error) {
	digester := b.algorithm().Digester()
	buf := make([]byte, maxHeld)
	n, err := io.CopyBuffer(io.MultiWriter(w, digester.Hash(), taskWriter{task}), struct{ io.Reader }{content}, buf)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	d, err := b.describe(digester.Digest(), n)
	if err != nil {
		return d, err
	}
	_, err = w.Commit(ctx, d.Digest)
	return d, err
}

// exactReader fails, before the last byte, if the content is not as long as it
// should be.
type exactReader struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (e *exactReader) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		return n, fmt.Errorf("the content is %d bytes shorter than --size says", e.left)
	}
	if n > 0 && e.left == 0 {
		if more, _ := io.ReadFull(e.r, make([]byte, 1)); more > 0 {
			return 0, errors.New("the content is longer than --size says")
		}
	}
	return n, err
}

// trackedFile reports how far a file has been read as progress. It can be read
// again from anywhere.
type trackedFile struct {
	*os.File
	task *output.Task
}

// Read implements io.Reader.
func (f *trackedFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.task.Add(int64(n))
	return n, err
}

// ReadAt implements io.ReaderAt.
func (f *trackedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.task.Set(off + int64(n))
	return n, err
}

// taskWriter reports what is written to it as progress.
type taskWriter struct{ task *output.Task }

// Write implements io.Writer.
func (w taskWriter) Write(p []byte) (int, error) {
	w.task.Add(int64(len(p)))
	return len(p), nil
}
