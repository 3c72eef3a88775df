package remote

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// ErrStalled reports a transfer that moved no byte for Options.IdleTimeout.
var ErrStalled = errors.New("the transfer stalled")

// headerTimeoutFactor is how many idle times a registry may take to begin its
// answer to a read. It may work on a write for long (hash and store what was
// sent), so there is no limit for these.
const headerTimeoutFactor = 2

// watcher ends requests that make no progress. A transfer may take as long as
// it likes otherwise.
type watcher struct {
	base http.RoundTripper
	idle time.Duration // negative: do not watch
}

// RoundTrip implements http.RoundTripper.
func (w *watcher) RoundTrip(req *http.Request) (*http.Response, error) {
	if w.idle < 0 {
		return w.base.RoundTrip(req)
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := newWatch(w.idle, func() { cancel(ErrStalled) })
	sent := req.Clone(ctx)
	switch {
	case req.Body != nil && req.Body != http.NoBody:
		sent.Body = &watchedBody{ReadCloser: req.Body, watch: timer}
	case req.Method == http.MethodGet || req.Method == http.MethodHead:
		timer.start(headerTimeoutFactor)
	}
	resp, err := w.base.RoundTrip(sent)
	timer.stop()
	if err != nil {
		err = stalled(ctx, err)
		cancel(nil)
		return nil, err
	}
	resp.Request = req
	resp.Body = &watchedAnswer{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, watch: timer}
	return resp, nil
}

// stalled returns ErrStalled if that is why err came.
func stalled(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), ErrStalled) {
		return ErrStalled
	}
	return err
}

// watch is a timer that runs while the other side is to act.
type watch struct {
	idle time.Duration

	mu    sync.Mutex
	timer *time.Timer
	over  bool // no start from now on
}

func newWatch(idle time.Duration, fire func()) *watch {
	t := time.AfterFunc(time.Hour, fire)
	t.Stop()
	return &watch{idle: idle, timer: t}
}

func (w *watch) start(factor time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.timer.Reset(w.idle * factor)
	}
}

func (w *watch) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

// watchedBody is a body being sent: the watch runs from one read to the next,
// so a source that is slow itself is no stall, and ends with the last byte.
type watchedBody struct {
	io.ReadCloser
	watch *watch
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.pause()
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		b.watch.start(1)
	}
	return n, err
}

// watchedAnswer is a body being received: the watch runs while a read waits.
type watchedAnswer struct {
	io.ReadCloser
	ctx    context.Context // of the request; only to tell why a read failed
	cancel context.CancelCauseFunc
	watch  *watch
}

func (b *watchedAnswer) Read(p []byte) (int, error) {
	b.watch.timer.Reset(b.watch.idle)
	n, err := b.ReadCloser.Read(p)
	b.watch.timer.Stop()
	if err != nil && err != io.EOF {
		err = stalled(b.ctx, err)
	}
	return n, err
}

func (b *watchedAnswer) Close() error {
	b.watch.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
