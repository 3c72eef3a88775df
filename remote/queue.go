package remote

import (
	"context"
	"slices"
	"sync"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/smallblobs"
)

// How many requests for small blobs are under way at once: few that hold many
// blobs each, or more that hold one, about as many as there are connections
// that are kept.
const (
	batchesAtOnce = 4
	singlesAtOnce = 32
)

// waiting is a small blob in a queue: one that is to be pushed, or read.
type waiting struct {
	ctx   context.Context // of the one who waits
	repo  string
	desc  orlop.Descriptor
	raw   []byte // the content
	alone bool   // it must go alone
	out   chan turn

	batch *batch // that it is in; nil: none. Guarded by queue.mu
}

// turn is what a waiting blob hears: that it is its turn to go alone, or how the
// batch ended that it was in.
type turn struct {
	alone *slots // of which it has one then; nil: it need not go
	err   error
}

// slots bound requests of a kind.
type slots struct{ used, all int }

// batch is a request for several blobs.
type batch struct {
	ctx    context.Context // ends when nobody waits for it any more
	cancel context.CancelFunc
	repo   string
	blobs  []*waiting
	left   int // blobs that somebody still waits for. Guarded by queue.mu
}

// queue lets small blobs wait while requests are under way, and then sends what
// has gathered in one, if the registry can do that. There is no waiting for
// more to come: a blob that finds nothing under way goes at once.
type queue struct {
	together func() bool  // the registry takes batches
	send     func(*batch) // sends one, and tells those of it that are done

	mu      sync.Mutex // guards what follows
	joined  []*waiting // that wait to go together
	singles []*waiting // that wait to go alone
	batches slots      // for the former
	alone   slots      // for the latter
}

func newQueue(together func() bool, send func(*batch)) *queue {
	return &queue{together: together, send: send, batches: slots{all: batchesAtOnce}, alone: slots{all: singlesAtOnce}}
}

// do moves a blob: with others, or, when it is its turn to go alone, by calling
// alone. What is read with others is in w.raw then.
func (q *queue) do(w *waiting, alone func() error) error {
	w.out = make(chan turn, 1)
	q.add(w)
	select {
	case t := <-w.out:
		if t.alone == nil {
			return t.err
		}
		defer q.end(t.alone)
		return alone()
	case <-w.ctx.Done():
		q.leave(w)
		return w.ctx.Err()
	}
}

func (q *queue) add(w *waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.alone {
		q.singles = append(q.singles, w)
	} else {
		q.joined = append(q.joined, w)
	}
	q.fill()
}

// leave takes a blob out that nobody waits for any more. A batch goes on for the
// others.
func (q *queue) leave(w *waiting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case t := <-w.out:
		if t.alone != nil {
			t.alone.used--
			q.fill()
		}
		return
	default:
	}
	is := func(other *waiting) bool { return other == w }
	q.joined, q.singles = slices.DeleteFunc(q.joined, is), slices.DeleteFunc(q.singles, is)
	if b := w.batch; b != nil {
		w.batch = nil
		if b.left--; b.left == 0 {
			b.cancel()
		}
	}
}

// end is called when a request of one blob has ended.
func (q *queue) end(of *slots) {
	q.mu.Lock()
	defer q.mu.Unlock()
	of.used--
	q.fill()
}

// fill begins requests while there is room and something waits. q.mu is held.
func (q *queue) fill() {
	q.singles = q.letGo(q.singles)
	if !q.together() {
		q.joined = q.letGo(q.joined)
		return
	}
	for len(q.joined) > 0 && q.batches.used < q.batches.all {
		q.batches.used++
		blobs := q.take()
		if len(blobs) == 1 {
			blobs[0].out <- turn{alone: &q.batches}
			continue
		}
		q.start(blobs)
	}
}

// letGo lets blobs go alone while there is room, and returns the rest. q.mu is
// held.
func (q *queue) letGo(blobs []*waiting) []*waiting {
	for len(blobs) > 0 && q.alone.used < q.alone.all {
		q.alone.used++
		blobs[0].out <- turn{alone: &q.alone}
		blobs = blobs[1:]
	}
	return blobs
}

// take removes from the queue what goes in the next batch: the first, and what
// fits with it. q.mu is held.
func (q *queue) take() []*waiting {
	repo, total := q.joined[0].repo, int64(0)
	var blobs, rest []*waiting
	for _, w := range q.joined {
		if w.repo == repo && len(blobs) < smallblobs.MaxBlobs && total+w.desc.Size <= smallblobs.MaxTotal {
			blobs, total = append(blobs, w), total+w.desc.Size
		} else {
			rest = append(rest, w)
		}
	}
	q.joined = rest
	return blobs
}

// start sends a batch. It is of no single caller: it ends early only if all have
// left. q.mu is held.
func (q *queue) start(blobs []*waiting) {
	b := &batch{repo: blobs[0].repo, blobs: blobs, left: len(blobs)}
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(blobs[0].ctx))
	for _, w := range blobs {
		w.batch = b
	}
	go func() {
		q.send(b)
		b.cancel()
		q.finish(b)
	}()
}

// tell tells a blob of a batch how it went.
func (q *queue) tell(w *waiting, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.batch == nil {
		return // it has left
	}
	w.batch.left--
	w.batch = nil
	w.out <- turn{err: err}
}

// finish ends a batch. What it has not told anything goes alone.
func (q *queue) finish(b *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, w := range b.blobs {
		if w.batch != nil && w.ctx.Err() == nil {
			w.batch = nil
			q.singles = append(q.singles, w)
		}
	}
	q.batches.used--
	q.fill()
}
