package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/blob/s3"
	"github.com/orlop/orlop/internal/testenv/httpfault"
	"github.com/orlop/orlop/internal/testenv/s3test"
)

// faulty is a store behind a proxy that does to requests what it is told.
type faulty struct {
	*s3.Store
	proxy *httpfault.Proxy
	calm  *s3.Store // the same without the proxy
}

func openFaulty(t *testing.T, stall time.Duration) *faulty {
	t.Helper()
	bucket := s3test.New(t)
	proxy := httpfault.New(t, strings.TrimPrefix(bucket.Endpoint, "http://"))
	o := s3.Options{Bucket: bucket.Name, Endpoint: proxy.URL(), Attempts: 3, Backoff: 5 * time.Millisecond, Stall: stall}
	f := &faulty{Store: open(t, o), proxy: proxy}
	o.Endpoint, o.Stall = bucket.Endpoint, 0
	f.calm = open(t, o)
	return f
}

// life is that of an object, from its first byte to its end, in the steps after
// which the engine saves what it needs to go on.
type life struct {
	content []byte
	at      int
	state   []byte
	done    bool // committed, and that was told
}

// chunks are what the requests of an upload bring: a tail, a part and a tail, a
// part, and one byte.
var chunks = []int{100 << 10, 8 << 20, 8<<20 - 100<<10, 1}

func newLife() *life {
	total := 0
	for _, n := range chunks {
		total += n
	}
	return &life{content: blobtest.Content(1, total)}
}

// live does what is left to do, up to a Commit.
func (l *life) live(ctx context.Context, s blob.Store) error {
	end := 0
	for _, n := range chunks {
		if end += n; end <= l.at {
			continue
		}
		if err := l.request(ctx, s, end); err != nil {
			return err
		}
	}
	w, err := l.resume(ctx, s)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.Commit(); err != nil {
		return err
	}
	l.done = true
	return nil
}

func (l *life) resume(ctx context.Context, s blob.Store) (blob.Writer, error) {
	if l.state == nil {
		return s.Create(ctx, "key")
	}
	return s.Append(ctx, "key", int64(l.at), l.state)
}

// request brings the content up to end.
func (l *life) request(ctx context.Context, s blob.Store, end int) error {
	w, err := l.resume(ctx, s)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(l.content[l.at:end]); err != nil {
		return err
	}
	state, err := w.Sync()
	if err != nil {
		return err
	}
	l.at, l.state = end, state
	return nil
}

// check reads the object.
func (l *life) check(ctx context.Context, s blob.Store) error {
	obj, err := s.Open(ctx, "key")
	if err != nil {
		return err
	}
	defer obj.Close()
	var got bytes.Buffer
	if _, err := io.Copy(&got, io.NewSectionReader(obj, 0, obj.Size())); err != nil {
		return err
	}
	if !bytes.Equal(got.Bytes(), l.content) {
		return fmt.Errorf("%d bytes, and not those that were written", got.Len())
	}
	return nil
}

// all is a life from its beginning to its end.
func (l *life) all(ctx context.Context, s blob.Store) error {
	if err := l.live(ctx, s); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := l.check(ctx, s); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if err := s.Delete(ctx, "key"); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}

// actions are the faults. That nothing comes at all is slow to find out, and has
// a test of its own.
var actions = []httpfault.Action{
	httpfault.Unavailable, httpfault.CutRequest, httpfault.LoseAnswer, httpfault.CutAnswer,
}

// TestOneFault does something to the n-th request, for each n: nobody notices.
func TestOneFault(t *testing.T) {
	for _, action := range actions {
		t.Run(action.String(), func(t *testing.T) {
			t.Parallel()
			f := openFaulty(t, 0)
			for n, requests := 1, 1; n <= requests; n++ {
				f.proxy.Set(httpfault.At(n, action))
				l := newLife()
				if err := l.all(t.Context(), f); err != nil {
					t.Fatalf("request %d: %v", n, err)
				}
				requests = f.proxy.Requests()
				f.wantNothing(t, n)
			}
			f.wantNoLeak(t)
		})
	}
}

// TestSlow: a store whose every answer takes a while.
func TestSlow(t *testing.T) {
	f := openFaulty(t, 0)
	f.proxy.Set(httpfault.From(1, httpfault.Slow))
	if err := newLife().all(t.Context(), f); err != nil {
		t.Error(err)
	}
}

// TestLastingFault does something to the n-th request and all after it, for each
// n: the error says so, and what was acknowledged by then is there afterwards.
func TestLastingFault(t *testing.T) {
	for _, action := range []httpfault.Action{httpfault.Unavailable, httpfault.LoseAnswer, httpfault.CutAnswer} {
		t.Run(action.String(), func(t *testing.T) {
			t.Parallel()
			f := openFaulty(t, 0)
			l := newLife()
			for n := 1; !l.done; n++ {
				*l = *newLife()
				f.proxy.Set(httpfault.From(n, action))
				if err := l.all(t.Context(), f); err != nil && !errors.Is(err, blob.ErrUnavailable) {
					t.Errorf("from request %d on: %v", n, err)
				}
				f.proxy.Set(nil)
				if err := l.recover(t.Context(), f); err != nil {
					t.Fatalf("after a failure from request %d on: %v", n, err)
				}
				if err := f.Delete(t.Context(), "key"); err != nil {
					t.Fatal(err)
				}
				f.wantNothing(t, n)
			}
			f.wantNoLeak(t)
		})
	}
}

// recover goes on where the failure came.
func (l *life) recover(ctx context.Context, s blob.Store) error {
	if l.done {
		if err := l.check(ctx, s); !errors.Is(err, blob.ErrNotFound) { // the delete had come that far
			return err
		}
		return nil
	}
	err := l.live(ctx, s)
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrExists) {
		err = nil // the commit has been done and was not told
	}
	l.done = false
	return errors.Join(err, l.check(ctx, s))
}

// TestStall: a store that takes a request and never answers is given up.
func TestStall(t *testing.T) {
	f := openFaulty(t, time.Second)
	l := newLife()
	f.proxy.Set(httpfault.From(3, httpfault.Stall))
	if err := l.live(t.Context(), f); !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("a store that has stalled: %v", err)
	}
	if err := l.all(t.Context(), f.calm); err != nil {
		t.Error(err)
	}
	f.wantNothing(t, 3)
	f.wantNoLeak(t)
}

// TestCanceled: who gives up waits for nothing, whatever the store does.
func TestCanceled(t *testing.T) {
	f := openFaulty(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	f.proxy.Set(func(n int, _ *http.Request) httpfault.Action {
		if n < 3 {
			return httpfault.Pass
		}
		cancel()
		return httpfault.Stall
	})
	l := newLife()
	err := l.live(ctx, f)
	if !errors.Is(err, context.Canceled) || errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("after the end of the context: %v", err)
	}
	f.proxy.Set(nil)
	if err := l.all(t.Context(), f); err != nil {
		t.Error(err)
	}
	f.wantNothing(t, 3)
	f.wantNoLeak(t)
}

// TestRefused: nobody listens at all.
func TestRefused(t *testing.T) {
	s := open(t, s3.Options{Bucket: "bucket", Endpoint: "http://127.0.0.1:1", Attempts: 2, Backoff: time.Millisecond})
	for what, err := range map[string]error{
		"ping":   s.Ping(t.Context()),
		"write":  newLife().live(t.Context(), s),
		"read":   newLife().check(t.Context(), s),
		"delete": s.Delete(t.Context(), "key"),
	} {
		if !errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// wantNothing wants an empty bucket.
func (f *faulty) wantNothing(t *testing.T, n int) {
	t.Helper()
	for info, err := range f.calm.List(t.Context(), "") {
		t.Errorf("left after request %d failed: %+v, %v", n, info, err)
	}
}

// wantNoLeak wants all memory given back. What sends holds some.
func (f *faulty) wantNoLeak(t *testing.T) {
	t.Helper()
	if n := f.Lent(); n != 0 {
		t.Errorf("%d chunks are still lent", n)
	}
}
