package remote

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/smallblobs"
)

// TestLeaveBatch cancels one that waits in a batch: the others get theirs.
func TestLeaveBatch(t *testing.T) {
	s := newShelf(t)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan struct{})
	s.answer = func(w http.ResponseWriter, body []byte) {
		cancel()
		<-left
		s.read(w, body)
	}
	s.fill()
	r := s.open(Options{})
	s.gather(r.reads, func(i int) {
		if i == 20 {
			if _, err := r.ReadBlob(ctx, "a", describe(text(i))); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			close(left)
			return
		}
		if raw, err := r.ReadBlob(t.Context(), "a", describe(text(i))); err != nil || string(raw) != text(i) {
			t.Errorf("blob %d: %v", i, err)
		}
	})
}

// TestAllLeave cancels all: the requests end, and nothing stays in the queue.
func TestAllLeave(t *testing.T) {
	s := newShelf(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.answer = func(http.ResponseWriter, []byte) { t.Error("a batch was sent") }
	r := s.open(Options{})
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			if _, err := r.ReadBlob(ctx, "a", describe(text(i))); !errors.Is(err, context.Canceled) {
				t.Errorf("blob %d: %v", i, err)
			}
		})
	}
	q := r.reads
	await(q, func() bool { return len(q.joined) == many-batchesAtOnce })
	q.mu.Lock()
	q.batches.used += batchesAtOnce // those that leave give no room to those that have not left yet
	q.mu.Unlock()
	cancel()
	wg.Wait()
	await(q, func() bool { return q.batches.used == batchesAtOnce && q.alone.used == 0 && len(q.joined) == 0 })
}

// TestBatchOfNobody ends the request of a batch that all have left.
func TestBatchOfNobody(t *testing.T) {
	s := newShelf(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	s.srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/_orlop/") {
			s.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done() // the client has hung up
		close(ended)
	})
	s.fill()
	r := s.open(Options{})
	s.gather(r.reads, func(i int) {
		who := ctx
		if i < batchesAtOnce {
			who = t.Context()
		}
		if _, err := r.ReadBlob(who, "a", describe(text(i))); (err == nil) != (i < batchesAtOnce) {
			t.Errorf("blob %d: %v", i, err)
		}
	})
	<-ended
}

// TestTake forms batches within the bounds, and of one repository each.
func TestTake(t *testing.T) {
	q := newQueue(func() bool { return true }, func(*batch) {})
	for i := range 2000 {
		repo := "a"
		if i%10 == 9 {
			repo = "b"
		}
		q.joined = append(q.joined, &waiting{repo: repo, desc: orlop.Descriptor{Size: 10 << 10}})
	}
	n := 0
	for len(q.joined) > 0 {
		blobs, total := q.take(), int64(0)
		for _, w := range blobs {
			if total += w.desc.Size; w.repo != blobs[0].repo {
				t.Error("two repositories in a batch")
			}
		}
		if n += len(blobs); len(blobs) > smallblobs.MaxBlobs || total > smallblobs.MaxTotal {
			t.Errorf("%d blobs of %d bytes", len(blobs), total)
		}
	}
	if n != 2000 {
		t.Errorf("%d blobs", n)
	}
}

// TestLeaveCountsOnce: one that leaves before its blob comes does not end the
// batch for others.
func TestLeaveCountsOnce(t *testing.T) {
	step := make(chan struct{})
	var q *queue
	q = newQueue(func() bool { return true }, func(b *batch) {
		<-step // the first has left
		q.tell(b.blobs[0], nil)
		step <- struct{}{}
		<-step // the second has left
		if b.ctx.Err() != nil {
			t.Error("the batch has ended, and one still waits")
		}
		q.tell(b.blobs[2], nil)
	})
	blobs := make([]*waiting, 3)
	for i := range blobs {
		blobs[i] = &waiting{ctx: t.Context(), repo: "a", out: make(chan turn, 1)}
	}
	q.mu.Lock()
	q.batches.used++
	q.start(blobs)
	q.mu.Unlock()
	q.leave(blobs[0])
	step <- struct{}{}
	<-step
	q.leave(blobs[1])
	step <- struct{}{}
	<-blobs[2].out
}
