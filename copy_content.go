package orlop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

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
// what is wrong, or the source has tried as often as that helps.
func retryable(err error) bool {
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrGaveUp) {
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
