// Package fs keeps objects as files in a directory:
//
//	uploads/<key>       being written
//	data/<2>/<key>      committed; <2> is the first two characters of the key
//
// # What survives a power cut
//
// Commit syncs the file, renames it and syncs the directory it has come to, so
// that content is on the disk before its name. The directory it has left is
// not synced: on a file system that may keep both names of a renamed file, the
// old one is no harm, because the committed object is the one listed, and both
// are deleted. A directory made for the rename is synced into its parent
// first. Sync also makes the upload's own name durable.
//
// Delete is not synced: an object deleted just before a power cut may be
// listed again after it.
//
// # After a failure
//
// A Writer that has failed removes its object at once: after a failed sync the
// content cannot be trusted, and after a full disk the space is needed. An
// upload that failed begins anew.
package fs

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"path"
	"sync"
	"syscall"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/fs/fsys"
)

const (
	uploadsDir = "uploads"
	dataDir    = "data"
)

// defaultWriteback is 8 MiB: a request big enough to keep a disk busy and
// small enough to be done by the time a big upload is committed.
const defaultWriteback = 8 << 20

// Large objects are written past the system's cache from defaultDirect on: they
// would push out what is read often, and filling the cache costs more than
// hashing (docs/design/0004-direct-writes.md).
const defaultDirect = 32 << 20

// Options of a Store.
type Options struct {
	// Writeback is after how many bytes of an object the system is asked to
	// begin to write them to the disk, so that little is left to do when the
	// object is synced. 0 is 8 MiB; negative is never.
	Writeback int64
	// DirectFrom is the offset in an object from which on it is written past
	// the system's cache, where the system can. 0 is 32 MiB; negative is never.
	DirectFrom int64
}

// Store keeps objects in a directory tree.
type Store struct {
	files     fsys.FS
	writeback int64
	direct    int64    // negative: never
	shards    sync.Map // names of the directories in data that are durable
}

var _ blob.Store = (*Store)(nil)

// Open opens a directory as a store, and makes it if it does not exist. One
// process uses it at a time.
func Open(dir string, o Options) (*Store, error) {
	files, err := fsys.OpenDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open blob directory: %w", err)
	}
	s, err := OpenFS(files, o)
	if err != nil {
		files.Close()
		return nil, err
	}
	return s, nil
}

// OpenFS opens a store in any file system. Closing the store closes it.
func OpenFS(files fsys.FS, o Options) (*Store, error) {
	s := &Store{files: files, writeback: o.Writeback, direct: o.DirectFrom}
	if s.direct == 0 {
		s.direct = defaultDirect
	}
	if o.Writeback == 0 {
		s.writeback = defaultWriteback
	}
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("open blob directory: %w", failure(err))
	}
	return s, nil
}

// prepare makes the two directories and finds the shards there are. All are
// synced, for whoever made them may have been killed before.
func (s *Store) prepare() error {
	for _, dir := range []string{uploadsDir, dataDir} {
		if err := s.files.Mkdir(dir); err != nil && !errors.Is(err, iofs.ErrExist) {
			return err
		}
	}
	if err := s.files.SyncDir("."); err != nil {
		return err
	}
	shards, err := s.files.ReadDir(dataDir)
	if err != nil {
		return err
	}
	if err := s.files.SyncDir(dataDir); err != nil {
		return err
	}
	for _, shard := range shards {
		s.shards.Store(shard, true)
	}
	return nil
}

// Close lets go of the directory. Open objects stay open.
func (s *Store) Close() error { return s.files.Close() }

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, key string) (blob.Writer, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	switch _, err := s.files.Stat(dataName(key)); {
	case err == nil:
		return nil, fmt.Errorf("create object %s: %w", key, blob.ErrExists)
	case !errors.Is(err, iofs.ErrNotExist):
		return nil, fmt.Errorf("create object %s: %w", key, failure(err))
	}
	file, err := s.files.Create(uploadName(key))
	if err != nil {
		return nil, fmt.Errorf("create object %s: %w", key, failure(err))
	}
	return &writer{store: s, key: key, file: file}, nil
}

// Append implements blob.Store.
func (s *Store) Append(ctx context.Context, key string, offset int64, _ []byte) (blob.Writer, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	file, err := s.files.Append(uploadName(key))
	if err != nil {
		return nil, fmt.Errorf("append to object %s: %w", key, failure(err))
	}
	// A power cut in the middle of a commit may leave both names.
	if err := s.files.Remove(dataName(key)); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		file.Close()
		return nil, fmt.Errorf("append to object %s: %w", key, failure(err))
	}
	if err := cut(file, offset); err != nil {
		file.Close()
		return nil, fmt.Errorf("append to object %s: %w", key, failure(err))
	}
	return &writer{store: s, key: key, file: file, size: offset, synced: offset, started: offset}, nil
}

func cut(file fsys.File, offset int64) error {
	size, err := file.Size()
	if err != nil {
		return err
	}
	if offset < 0 || offset > size {
		return blob.ErrShort
	}
	if offset == size {
		return nil
	}
	return file.Truncate(offset)
}

// Open implements blob.Store.
func (s *Store) Open(ctx context.Context, key string) (blob.Object, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	file, err := s.files.Open(dataName(key))
	if err != nil {
		return nil, fmt.Errorf("open object %s: %w", key, failure(err))
	}
	size, err := file.Size()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open object %s: %w", key, err)
	}
	return object{file, size}, nil
}

// object is a committed file. Its size does not change any more.
type object struct {
	fsys.File
	size int64
}

func (o object) Size() int64 { return o.size }

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	if err := s.remove(key); err != nil {
		return fmt.Errorf("delete object %s: %w", key, failure(err))
	}
	return nil
}

// remove removes an object under both of its names, however many it has. The
// upload goes first, so that what is half removed was committed. It is durable:
// whoever forgets the key after that must not see the object come back.
func (s *Store) remove(key string) error {
	for _, name := range []string{uploadName(key), dataName(key)} {
		err := s.files.Remove(name)
		if errors.Is(err, iofs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = s.files.SyncDir(path.Dir(name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func begin(ctx context.Context, key string) error {
	if err := blob.ValidateKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

func uploadName(key string) string { return path.Join(uploadsDir, key) }

func shardOf(key string) string { return key[:min(2, len(key))] }

func dataName(key string) string { return path.Join(dataDir, shardOf(key), key) }

// failure gives an error of the file system its meaning in the contract.
func failure(err error) error {
	var meaning error
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		meaning = blob.ErrNotFound
	case errors.Is(err, iofs.ErrExist):
		meaning = blob.ErrExists
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		meaning = blob.ErrFull
	default:
		return err
	}
	return fmt.Errorf("%w: %w", meaning, err)
}
