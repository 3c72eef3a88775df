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
	synced int // bytes
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
		w.cut()
		return 0, w.err
	}
	w.obj.content = append(w.obj.content, p...)
	w.obj.modified = time.Now()
	s.used += int64(len(p))
	return len(p), nil
}

// cut gives back what was not synced, and is called with the store's mu held.
func (w *writer) cut() {
	if w.synced == 0 {
		w.store.remove(w.key)
		return
	}
	w.store.used -= int64(len(w.obj.content) - w.synced)
	w.obj.content = w.obj.content[:w.synced]
}

func (w *writer) Sync() (state []byte, err error) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if err := w.check(); err != nil {
		return nil, err
	}
	w.synced = len(w.obj.content)
	return nil, nil
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
