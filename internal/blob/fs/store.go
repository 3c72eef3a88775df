// Package fs keeps objects as files in a directory.
package fs

import (
	"context"
	"errors"
	"iter"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/fs/fsys"
)

// Options of a Store.
type Options struct {
	// Writeback is after how many bytes the system is asked to begin to write
	// to the disk. 0 is 8 MiB; negative is never.
	Writeback int64
}

// Store keeps objects in a directory tree.
type Store struct {
	files     fsys.FS
	writeback int64
}

var errTODO = errors.New("not implemented")

// Open opens a directory as a store, and makes it if it does not exist.
func Open(dir string, o Options) (*Store, error) { return nil, errTODO }

// OpenFS opens a store in any file system.
func OpenFS(files fsys.FS, o Options) (*Store, error) { return nil, errTODO }

// Close lets go of the directory.
func (s *Store) Close() error { return nil }

func (s *Store) Create(ctx context.Context, key string) (blob.Writer, error) { return nil, errTODO }
func (s *Store) Append(ctx context.Context, key string, offset int64) (blob.Writer, error) {
	return nil, errTODO
}
func (s *Store) Open(ctx context.Context, key string) (blob.Object, error) { return nil, errTODO }
func (s *Store) Delete(ctx context.Context, key string) error              { return errTODO }
func (s *Store) List(ctx context.Context, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, errTODO) }
}
