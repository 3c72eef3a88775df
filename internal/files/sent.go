package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// packDirectory packs a directory: it is sent while it is packed if the
// destination takes that, otherwise kept.
func (s *Source) packDirectory(ctx context.Context, p *packer) (packed, error) {
	r, err := p.pack(ctx, newSpool(ctx, s.options.TempDir, s.options.Upload))
	if _, lost := errors.AsType[*uploadError](err); lost && ctx.Err() == nil {
		r, err = p.pack(ctx, s.keeping(ctx)) // all anew, for the tree may have changed
	}
	if err != nil {
		return packed{}, fmt.Errorf("pack the directory %s: %w", p.dir, err)
	}
	if r.content == nil {
		r.content = &sent{digest: r.digest, again: func(ctx context.Context) (spooled, error) {
			again, err := p.pack(ctx, s.keeping(ctx))
			return again.spooled, err
		}}
	}
	return r, nil
}

// keeping returns a spool that does not send.
func (s *Source) keeping(ctx context.Context) *spool { return newSpool(ctx, s.options.TempDir, nil) }

// isStdin tells whether a path stands for standard input.
func (s *Source) isStdin(a Arg) bool { return a.Path == "-" && s.options.Stdin != nil }

var errSentOnce = errors.New("the destination has lost what was sent from standard input; push it again")

// loadStdin reads standard input: it is sent while it is read if the destination
// takes that, otherwise kept. What was sent cannot be read again.
func (s *Source) loadStdin(ctx context.Context, a Arg, title string) (blob, error) {
	read, end := s.onRead(title, -1)
	defer end()
	out := newSpool(ctx, s.options.TempDir, s.options.Upload)
	_, err := copyBuffer(ctx, io.MultiWriter(out, read.counter()), s.options.Stdin)
	if err != nil {
		return blob{}, fmt.Errorf("read standard input: %w", errors.Join(err, out.abort()))
	}
	r, err := out.finish()
	if err != nil {
		return blob{}, fmt.Errorf("read standard input: %w", err)
	}
	if r.content == nil {
		r.content = &sent{digest: r.digest, again: func(context.Context) (spooled, error) { return spooled{}, errSentOnce }}
	}
	return describe(r.content, a.MediaType, ocispec.MediaTypeImageLayer, r.digest, r.size), nil
}

// sent is content that the destination has. If it turns out not to, the content
// is made again.
type sent struct {
	digest digest.Digest
	again  func(ctx context.Context) (spooled, error)

	mu   sync.Mutex // guards made
	made content    // nil until it is made again
}

func (s *sent) open(ctx context.Context) (handle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil {
		r, err := s.again(ctx)
		if err != nil {
			return nil, err
		}
		if r.digest != s.digest {
			return nil, errors.Join(fmt.Errorf("%s: %w", s.digest, ErrChanged), closeContent(r.content))
		}
		s.made = r.content
	}
	return s.made.open(ctx)
}

// Close drops what was made again.
func (s *sent) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return closeContent(s.made)
}
