package fs

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"path"
	"syscall"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/fs/fsys"
)

// writer appends to an upload.
type writer struct {
	store   *Store
	key     string
	file    fsys.File
	size    int64
	synced  int64 // up to here the bytes are durable
	started int64 // up to here the system has been asked to write to the disk
	named   bool  // the upload's name is durable
	closed  bool
	direct  bool  // writes go past the cache
	refused bool  // the file system has refused that
	err     error // the failure after which nothing goes
}

var _ blob.Writer = (*writer)(nil)

// Write implements blob.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	n, err := w.writeDirect(p)
	if err == nil && n < len(p) {
		var more int
		more, err = w.file.Write(p[n:])
		n += more
		w.size += int64(more)
	}
	if err != nil {
		return n, w.fail("write", err)
	}
	if every := w.store.writeback; every > 0 && w.size-w.started >= every {
		w.file.Writeback(w.started, w.size-w.started)
		w.started = w.size
	}
	return n, nil
}

// Direct writes are whole blocks, and long enough to be worth it.
const (
	directBlock = 4 << 10
	directMin   = 1 << 20
)

// writeDirect writes as much of p past the system's cache as it may, and leaves
// the rest to an ordinary write.
func (w *writer) writeDirect(p []byte) (int, error) {
	from := w.store.direct
	n := len(p) / directBlock * directBlock
	want := from >= 0 && w.size >= from && w.size%directBlock == 0 && n >= directMin && !w.refused
	if want != w.direct {
		w.direct = w.file.Direct(want) && want
		w.refused = want && !w.direct
	}
	if !w.direct {
		return 0, nil
	}
	n, err := w.file.Write(p[:n])
	w.size += int64(n)
	w.started = w.size
	if errors.Is(err, syscall.EINVAL) { // not on this file system after all
		w.refused, w.direct = true, false
		w.file.Direct(false)
		return n, nil
	}
	if err == nil && n < len(p) {
		w.direct = false
		w.file.Direct(false)
	}
	return n, err
}

// Sync implements blob.Writer.
func (w *writer) Sync() (state []byte, err error) {
	if err := w.usable(); err != nil {
		return nil, err
	}
	if err := w.file.Sync(); err != nil {
		return nil, w.fail("sync", err)
	}
	w.synced = w.size
	if w.named {
		return nil, nil
	}
	if err := w.store.files.SyncDir(uploadsDir); err != nil {
		return nil, w.fail("sync", err)
	}
	w.named = true
	return nil, nil
}

// Commit implements blob.Writer.
func (w *writer) Commit() error {
	if err := w.usable(); err != nil {
		return err
	}
	if err := w.commit(); err != nil {
		return w.fail("commit", err)
	}
	return nil
}

func (w *writer) commit() error {
	if err := w.file.Sync(); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := w.store.makeShard(shardOf(w.key)); err != nil {
		return err
	}
	if err := w.store.files.Rename(uploadName(w.key), dataName(w.key)); err != nil {
		return err
	}
	return w.store.files.SyncDir(path.Join(dataDir, shardOf(w.key)))
}

// makeShard makes a directory in data durable, if it is not. Two writers may
// both do so: neither goes on before the directory is on the disk.
func (s *Store) makeShard(shard string) error {
	if _, ok := s.shards.Load(shard); ok {
		return nil
	}
	if err := s.files.Mkdir(path.Join(dataDir, shard)); err != nil && !errors.Is(err, iofs.ErrExist) {
		return err
	}
	if err := s.files.SyncDir(dataDir); err != nil {
		return err
	}
	s.shards.Store(shard, true)
	return nil
}

// Close implements blob.Writer.
func (w *writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	return w.file.Close()
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

// fail remembers the failure and gives back the space at once. After a failed
// write what was synced before stays, for Append to go on from. Bytes whose
// sync failed are never trusted again, so the object goes then; if even that
// fails it stays listed, for the engine to delete.
func (w *writer) fail(op string, err error) error {
	w.err = fmt.Errorf("%s object %s: %w", op, w.key, failure(err))
	if op == "write" && w.synced > 0 {
		_ = w.file.Truncate(w.synced)
		_ = w.Close()
		return w.err
	}
	_ = w.Close()
	_ = w.store.remove(w.key)
	return w.err
}
