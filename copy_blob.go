package orlop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// copyBlob makes a blob available at the destination.
func (c *copier) copyBlob(ctx context.Context, desc Descriptor) error {
	return c.once(ctx, nodeKey{desc.Digest, false}, func(n *node) error {
		return c.gate.pass(ctx, desc.Size, func() (err error) {
			n.there, err = c.hasBlob(ctx, desc)
			if err != nil || n.there {
				return err
			}
			if mounted, err := c.mountBlob(ctx, desc); err != nil || mounted {
				return err
			}
			return c.sendBlob(ctx, desc)
		})
	})
}

// hasBlob tells whether the destination has a blob, as far as it is worth a
// question. One of another size is damaged, and pushing it again heals it.
func (c *copier) hasBlob(ctx context.Context, desc Descriptor) (bool, error) {
	if c.mounter != nil && !c.guess.ask(desc.Size) {
		return false, nil
	}
	there, err := c.dst.StatBlob(ctx, c.dstRepo, desc.Digest)
	c.guess.learn(desc.Size, err == nil)
	if err == nil && there.Size == desc.Size {
		c.event(Exists, desc, 0)
		return true, nil
	}
	if err != nil && !absent(err) {
		return false, &CopyError{"look for blob", Destination, desc, err}
	}
	return false, nil
}

// mountBlob tries to mount a blob. The last repository is left to sendBlob if
// that can try it without a request of its own.
func (c *copier) mountBlob(ctx context.Context, desc Descriptor) (bool, error) {
	from := c.o.MountFrom
	if c.mounter != nil && len(from) > 0 {
		from = from[:len(from)-1]
	}
	for _, from := range from {
		err := c.dst.MountBlob(ctx, c.dstRepo, from, desc.Digest)
		if err == nil {
			c.event(Mounted, desc, 0)
			return true, nil
		}
		if ctx.Err() != nil { // whatever else the reason, the blob can be sent
			return false, ctx.Err()
		}
	}
	return false, nil
}

func (c *copier) sendBlob(ctx context.Context, desc Descriptor) error {
	readCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	content := c.content(readCtx, desc)
	mounted, err := c.pushBlob(ctx, desc, content)
	cancel() // a read that the destination has left behind ends
	readErr := content.Close()
	switch {
	case err == nil && mounted:
		c.event(Mounted, desc, 0)
		return nil
	case err == nil:
		content.begin() // if it is empty
		c.event(Done, desc, desc.Size)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case readErr != nil && !errors.Is(readErr, context.Canceled):
		return &CopyError{"read blob", Source, desc, readErr}
	case c.checked && errors.Is(err, ErrDigestInvalid):
		return &CopyError{"read blob", Source, desc, ErrDamaged} // it was checked as it came from there
	}
	return &CopyError{"push blob", Destination, desc, err}
}

func (c *copier) pushBlob(ctx context.Context, desc Descriptor, content *content) (mounted bool, err error) {
	if c.mounter == nil {
		return false, c.dst.PushBlob(ctx, c.dstRepo, desc, content)
	}
	from := ""
	if n := len(c.o.MountFrom); n > 0 {
		from = c.o.MountFrom[n-1]
	}
	return c.mounter.PushOrMount(ctx, c.dstRepo, from, desc, content)
}

// content reads a blob from the source, or from the descriptor if that carries
// it (image-spec, "Embedded Content").
func (c *copier) content(ctx context.Context, desc Descriptor) *content {
	open := func(off int64) (io.ReadCloser, error) {
		r, err := c.src.OpenBlob(ctx, c.srcRepo, desc.Digest, off, -1)
		if u, ok := r.(UncheckedReader); ok && err == nil && c.checked {
			u.Unchecked()
		}
		return r, err
	}
	if int64(len(desc.Data)) == desc.Size && desc.Digest.Algorithm().FromBytes(desc.Data) == desc.Digest {
		open = func(off int64) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(desc.Data[off:])), nil
		}
	}
	return &content{
		ctx: ctx, open: open, size: desc.Size, attempts: c.o.Attempts,
		begin:    sync.OnceFunc(func() { c.event(Started, desc, 0) }),
		progress: func(n int64) { c.event(Bytes, desc, n) },
	}
}

// content is a blob that is read from its source as if that never broke off.
// It can be rewound, so that a destination can try again.
type content struct {
	ctx      context.Context // of one call of PushBlob, which this does not outlive
	open     func(off int64) (io.ReadCloser, error)
	size     int64
	attempts int
	begin    func() // called before the first read, and may be called again
	progress func(off int64)

	// A destination may read in one goroutine and end in another.
	mu       sync.Mutex // guards what follows
	rc       io.ReadCloser
	off      int64
	failures int   // in a row
	err      error // why reading failed for good
}

var _ io.ReadSeekCloser = (*content)(nil)

// Read reads, opening the source again where it broke off.
func (r *content) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	if r.off >= r.size {
		return 0, io.EOF
	}
	r.begin()
	p = p[:min(int64(len(p)), r.size-r.off)]
	for len(p) > 0 {
		n, err := r.try(p)
		if n > 0 {
			r.off += int64(n)
			r.failures = 0
			r.progress(r.off)
			return n, nil
		}
		if r.err = r.broken(err); r.err != nil {
			return 0, r.err
		}
	}
	return 0, nil
}

// try reads once. It returns some bytes or an error; an error that comes with
// bytes comes again.
func (r *content) try(p []byte) (int, error) {
	if r.rc == nil {
		rc, err := r.open(r.off)
		if err != nil {
			return 0, err
		}
		r.rc = rc
	}
	n, err := r.rc.Read(p)
	switch {
	case n > 0:
		return n, nil
	case err == io.EOF:
		return 0, io.ErrUnexpectedEOF
	case err == nil:
		return 0, io.ErrNoProgress
	}
	return 0, err
}

// broken decides what an error means: nil is to try again.
func (r *content) broken(err error) error {
	if ctxErr := r.ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	if !retryable(err) {
		return err
	}
	r.closeSource()
	if r.failures++; r.failures >= r.attempts {
		return fmt.Errorf("broke off at byte %d, %d times: %w", r.off, r.failures, err)
	}
	return pause(r.ctx, r.failures)
}

// retryable tells whether reading again may help: not if the registry knows
// what is wrong.
func retryable(err error) bool {
	if errors.Is(err, ErrDamaged) {
		return false
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.HTTPStatus() >= http.StatusInternalServerError || e.HTTPStatus() == http.StatusTooManyRequests
	}
	return true
}

// pause waits before another attempt: not at all before the first, then longer
// each time.
func pause(ctx context.Context, failures int) error {
	if failures < 2 {
		return nil
	}
	timer := time.NewTimer(min(50*time.Millisecond<<min(failures-2, 10), 5*time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Seek sets where to read on.
func (r *content) Seek(offset int64, whence int) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += r.off
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 || offset > r.size {
		return r.off, fmt.Errorf("seek to %d in %d bytes", offset, r.size)
	}
	if offset != r.off {
		r.off = offset
		r.closeSource()
	}
	return offset, nil
}

// Close closes the source. It returns why reading failed, if it did.
func (r *content) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeSource()
	return r.err
}

// closeSource closes the source. Its error does not matter: what was read is
// checked by the destination.
func (r *content) closeSource() {
	if r.rc != nil {
		r.rc.Close()
		r.rc = nil
	}
}
