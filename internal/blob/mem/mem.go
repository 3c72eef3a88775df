// Package mem keeps objects in memory: for tests, and for a registry that may
// forget.
package mem

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/orlop/orlop/internal/blob"
)

// Options of a Store.
type Options struct {
	// Capacity is how many bytes may be stored; 0 is no limit.
	Capacity int64
}

// Store keeps objects in memory.
type Store struct {
	capacity int64

	mu      sync.RWMutex // guards what follows and every object
	objects map[string]*object
	used    int64
}

type object struct {
	content   []byte // of a committed object: not written to any more
	committed bool
	modified  time.Time
}

var (
	_ blob.Store  = (*Store)(nil)
	_ blob.Forker = (*Store)(nil)
)

// New makes an empty store.
func New(o Options) *Store {
	return &Store{capacity: o.Capacity, objects: make(map[string]*object)}
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, key string) (blob.Writer, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[key] != nil {
		return nil, blob.ErrExists
	}
	obj := &object{modified: time.Now()}
	s.objects[key] = obj
	return &writer{store: s, key: key, obj: obj}, nil
}

func begin(ctx context.Context, key string) error {
	if err := blob.ValidateKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

// Append implements blob.Store.
func (s *Store) Append(ctx context.Context, key string, offset int64, _ []byte) (blob.Writer, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	obj := s.objects[key]
	if obj == nil || obj.committed {
		return nil, blob.ErrNotFound
	}
	if size := int64(len(obj.content)); offset < 0 || offset > size {
		return nil, blob.ErrShort
	}
	s.used -= int64(len(obj.content)) - offset
	obj.content = obj.content[:offset]
	return &writer{store: s, key: key, obj: obj, synced: int(offset)}, nil
}

// Fork implements blob.Forker.
func (s *Store) Fork(ctx context.Context, from, to string, offset int64, _ []byte) (blob.Writer, error) {
	if err := errors.Join(begin(ctx, from), begin(ctx, to)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.objects[from]
	switch {
	case old == nil:
		return nil, blob.ErrNotFound
	case s.objects[to] != nil:
		return nil, blob.ErrExists
	case offset < 0 || offset > int64(len(old.content)):
		return nil, blob.ErrShort
	}
	obj := &object{content: slices.Clone(old.content[:offset]), modified: time.Now()}
	s.objects[to] = obj
	s.used += offset
	return &writer{store: s, key: to, obj: obj}, nil
}

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, key string) (blob.Object, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	obj := s.objects[key]
	if obj == nil || !obj.committed {
		return nil, blob.ErrNotFound
	}
	return &reader{content: obj.content}, nil
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(key)
	return nil
}

// remove is called with mu held.
func (s *Store) remove(key string) {
	if obj := s.objects[key]; obj != nil {
		s.used -= int64(len(obj.content))
		delete(s.objects, key)
	}
}

// List implements blob.Store.
func (s *Store) List(ctx context.Context, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		s.mu.RLock()
		keys := slices.Sorted(maps.Keys(s.objects))
		s.mu.RUnlock()
		for _, key := range keys {
			if err := ctx.Err(); err != nil {
				yield(blob.Info{}, err)
				return
			}
			info, ok := s.info(key)
			if ok && key > after && !yield(info, nil) {
				return
			}
		}
	}
}

func (s *Store) info(key string) (blob.Info, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	obj := s.objects[key]
	if obj == nil {
		return blob.Info{}, false
	}
	return blob.Info{Key: key, Size: int64(len(obj.content)), Committed: obj.committed, Modified: obj.modified}, true
}

type reader struct{ content []byte }

func (r *reader) Size() int64  { return int64(len(r.content)) }
func (r *reader) Close() error { return nil }

func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off >= r.Size() {
		return 0, io.EOF
	}
	n := copy(p, r.content[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
