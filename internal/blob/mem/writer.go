package mem

import (
	"io/fs"
	"time"

	"github.com/orlop/orlop/internal/blob"
)

type writer struct {
	store  *Store
	key    string
	obj    *object
	closed bool
	err    error // the failure after which nothing goes
}

// check is called with the store's mu held.
func (w *writer) check() error {
	switch {
	case w.err != nil:
		return w.err
	case w.closed:
		return fs.ErrClosed
	case w.store.objects[w.key] != w.obj:
		return blob.ErrNotFound // deleted under us
	}
	return nil
}

func (w *writer) Write(p []byte) (int, error) {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := w.check(); err != nil {
		return 0, err
	}
	if s.capacity > 0 && s.used+int64(len(p)) > s.capacity {
		w.err = blob.ErrFull
		s.remove(w.key)
		return 0, w.err
	}
	w.obj.content = append(w.obj.content, p...)
	w.obj.modified = time.Now()
	s.used += int64(len(p))
	return len(p), nil
}

func (w *writer) Sync() error {
	w.store.mu.RLock()
	defer w.store.mu.RUnlock()
	return w.check()
}

func (w *writer) Commit() error {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if err := w.check(); err != nil {
		return err
	}
	w.obj.committed = true
	w.closed = true
	return nil
}

func (w *writer) Close() error {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.closed = true
	return nil
}
