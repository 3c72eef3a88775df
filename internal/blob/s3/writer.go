package s3

import (
	"context"
	"fmt"
	iofs "io/fs"
	"slices"
	"sync"
	"time"

	"github.com/orlop/orlop/internal/blob"
)

// perWriter is how many parts of a writer are on their way while the next one is
// filled.
const perWriter = 2

// cleanup bounds what is done for good order alone.
const cleanup = 30 * time.Second

// writer sends an object part by part. Its memory is that of the part being
// filled and of those on their way.
type writer struct {
	store *Store
	ctx   context.Context // ends with the writer
	stop  context.CancelFunc
	key   string

	fill   *buffer // what comes after the parts
	size   int64   // of all that was written
	upload string  // id of the multipart upload; "" until there is a part
	sum    Checksum
	parts  []*part // those on their way are set when the sending is over
	saved  state   // as last synced, or appended to
	kept   bool    // somebody may go on from it, or the object is committed
	tails  tails
	closed bool
	err    error // the failure after which nothing goes

	sending sync.WaitGroup
	slots   chan struct{}

	mu     sync.Mutex
	failed error // of a part on its way, guarded by mu
}

var _ blob.Writer = (*writer)(nil)

func (s *Store) newWriter(ctx context.Context, key string) *writer {
	w := &writer{store: s, key: key, sum: s.sum, fill: s.buffers.buffer(), slots: make(chan struct{}, perWriter)}
	w.ctx, w.stop = context.WithCancel(ctx)
	return w
}

// Create implements blob.Store. It sends no request: that the key has no object
// yet is a condition of Commit.
func (s *Store) Create(ctx context.Context, key string) (blob.Writer, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	return s.newWriter(ctx, key), nil
}

// Append implements blob.Store.
func (s *Store) Append(ctx context.Context, key string, offset int64, saved []byte) (blob.Writer, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	st, err := parse(offset, saved)
	if err != nil {
		return nil, fmt.Errorf("append to object %s: %w", key, err)
	}
	w := s.newWriter(ctx, key)
	if err := w.restore(st); err != nil {
		w.Close()
		return nil, fmt.Errorf("append to object %s: %w", key, err)
	}
	return w, nil
}

// parse gives the state of an object at an offset.
func parse(offset int64, saved []byte) (*state, error) {
	if len(saved) == 0 {
		return nil, blob.ErrNotFound // nothing was ever synced
	}
	st, err := unmarshal(saved)
	if err == nil && offset != st.size {
		err = blob.ErrShort
	}
	return st, err
}

// restore goes on from a saved state, after a look whether what it names is
// still there.
func (w *writer) restore(st *state) error {
	w.saved, w.kept, w.upload = *st, true, st.upload
	for _, p := range st.parts {
		w.parts = append(w.parts, &p)
	}
	if len(st.parts) > 0 && st.parts[0].sum == "" {
		w.sum = MD5
	}
	w.size = st.size
	w.tails.dead = st.old
	switch {
	case st.tail.id != "":
		w.tails.live = []string{st.tail.id}
		return w.store.readTail(w.ctx, w.key, st.tail, w.fill)
	case st.upload != "":
		return w.store.findUpload(w.ctx, w.key, st.upload)
	}
	return nil
}

// Write implements blob.Writer.
func (w *writer) Write(p []byte) (n int, err error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	for len(p) > 0 {
		full := w.store.partSize(len(w.parts) + 1)
		k := min(max(full-w.fill.bytes, 0), int64(len(p)))
		_, _ = w.fill.Write(p[:k])
		p, n = p[k:], n+int(k)
		w.size += k
		if w.fill.bytes < full {
			break
		}
		if err := w.send(); err != nil {
			return n, w.fail("write", err)
		}
	}
	return n, nil
}

// send begins to send the part that is full, and waits where too many are on
// their way.
func (w *writer) send() (err error) {
	if len(w.parts) == maxParts {
		return fmt.Errorf("%w: more than %d parts", blob.ErrFull, maxParts)
	}
	if w.upload == "" {
		if w.upload, err = w.store.createUpload(w.ctx, w.key, w.sum); err != nil {
			return err
		}
	}
	w.slots <- struct{}{}
	p, content := new(part), w.fill
	w.parts = append(w.parts, p)
	number := len(w.parts)
	w.fill = w.store.buffers.buffer()
	send := func() {
		defer func() { <-w.slots }()
		defer content.release()
		sent, err := w.store.sendPart(w.ctx, w.key, w.upload, number, w.sum, content)
		if err != nil {
			w.note(err)
		}
		*p = sent
	}
	if w.store.buffers.scarce() {
		send()
	} else {
		w.sending.Go(send)
	}
	return w.failure()
}

// Sync implements blob.Writer.
func (w *writer) Sync() ([]byte, error) {
	if err := w.usable(); err != nil {
		return nil, err
	}
	if err := w.sync(); err != nil {
		return nil, w.fail("sync", err)
	}
	return w.saved.marshal(), nil
}

func (w *writer) sync() error {
	if w.kept && w.saved.size == w.size {
		return nil
	}
	if w.fill.bytes >= shortPart(len(w.parts)+1) {
		if err := w.send(); err != nil {
			return err
		}
	}
	next := state{size: w.size, upload: w.upload, old: slices.Clone(w.tails.live)}
	if w.fill.bytes > 0 {
		var err error
		if next.tail, err = w.store.putTail(w.ctx, w.key, w.fill); err != nil {
			return err
		}
		w.tails.live = append(w.tails.live, next.tail.id)
	}
	if err := w.wait(); err != nil {
		return err
	}
	for _, p := range w.parts {
		next.parts = append(next.parts, *p)
	}
	w.tails.dead = w.store.dropTails(w.ctx, w.key, w.tails.dead)
	next.old = append(next.old, w.tails.dead...)
	w.saved, w.kept = next, true
	return nil
}

// Commit implements blob.Writer.
func (w *writer) Commit() error {
	if err := w.usable(); err != nil {
		return err
	}
	if err := w.commit(); err != nil {
		return w.fail("commit", err)
	}
	w.kept = true
	w.store.dropTails(w.ctx, w.key, append(w.tails.live, w.tails.dead...)) // Delete drops what is left
	return w.Close()
}

func (w *writer) commit() error {
	if w.upload == "" {
		return w.store.putWhole(w.ctx, w.key, w.fill)
	}
	if w.fill.bytes > 0 {
		if err := w.send(); err != nil {
			return err
		}
	}
	if err := w.wait(); err != nil {
		return err
	}
	return w.store.complete(w.ctx, w.key, w.upload, w.size, w.parts)
}

// Close implements blob.Writer. What was begun and never synced is removed.
func (w *writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	w.stop()
	w.sending.Wait()
	w.fill.release()
	if w.upload != "" && !w.kept {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), cleanup)
		defer cancel()
		_ = w.store.abort(ctx, w.key, w.upload) // Delete aborts it too
	}
	return nil
}

// note remembers the first failure of a part.
func (w *writer) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = err
	}
}

// failure is that of a part, if one has failed by now.
func (w *writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// wait waits until all parts have arrived.
func (w *writer) wait() error {
	w.sending.Wait()
	return w.failure()
}

func (w *writer) usable() error {
	if w.err != nil {
		return w.err
	}
	if w.closed {
		return fmt.Errorf("object %s: %w", w.key, iofs.ErrClosed)
	}
	return nil
}

// fail remembers the failure. What was synced before stays: it has arrived in
// the store, whatever became of the rest.
func (w *writer) fail(op string, err error) error {
	w.err = fmt.Errorf("%s object %s: %w", op, w.key, err)
	return w.err
}
