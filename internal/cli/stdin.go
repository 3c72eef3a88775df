package cli

import (
	"context"
	"io"
	"os"

	"golang.org/x/term"
)

// contextReader is a reader that gives up waiting when ctx ends: a signal ends
// a command that waits for someone to type. It is used by one goroutine.
type contextReader struct {
	ctx context.Context
	r   io.Reader
	buf []byte // that is read into, not p: the read may go on after Read has returned
}

func (c *contextReader) Read(p []byte) (int, error) {
	if len(c.buf) < len(p) {
		c.buf = make([]byte, len(p))
	}
	buf := c.buf[:len(p)]
	n, err := await(c.ctx, func() (int, error) { return c.r.Read(buf) })
	if c.ctx.Err() != nil {
		c.buf = nil
	}
	return copy(p, buf[:n]), err
}

// await waits for f as long as ctx lasts. After that f goes on for nothing; the
// program is about to end.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// readPassword reads a line from a terminal without echo. The echo is on again
// when it returns, whatever the reason.
func readPassword(ctx context.Context, f *os.File) ([]byte, error) {
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	defer term.Restore(fd, before)
	return await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
}
