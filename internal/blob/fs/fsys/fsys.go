// Package fsys is the little of a file system that blob/fs needs: an interface
// of few calls, so that a test can make the n-th of them fail or cut the power
// there (see blob/faultfs), and its real implementation, a directory.
package fsys

import (
	"io"
	"time"
)

// FS is a directory tree. Names are slash-separated and relative to its root.
// Errors match fs.ErrNotExist and fs.ErrExist of io/fs where these are meant.
// All methods may be called concurrently.
type FS interface {
	// Create makes a file for writing, which must not exist.
	Create(name string) (File, error)
	// Append opens an existing file for writing at its end.
	Append(name string) (File, error)
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// Stat describes a file or directory.
	Stat(name string) (Info, error)
	// ReadDir gives the names in a directory, sorted.
	ReadDir(name string) ([]string, error)
	// Mkdir makes a directory, which must not exist.
	Mkdir(name string) error
	// Rename moves a file to a name that is not in use.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// SyncDir makes the names in a directory durable, and the absence of
	// names that have gone.
	SyncDir(name string) error
	// Close lets go of the tree.
	Close() error
}

// File is an open file. Only ReadAt may be called concurrently.
type File interface {
	io.Writer
	io.ReaderAt
	io.Closer
	// Size is the size now, in bytes.
	Size() (int64, error)
	// Truncate cuts the file; later writes go on at its new end.
	Truncate(size int64) error
	// Sync makes content and size durable. After an error nothing that was
	// written before is known to be on the disk, whatever a later call says.
	Sync() error
	// Writeback asks the system to begin to write a part of the file to the
	// disk. It is a hint, promises nothing and does not fail.
	Writeback(off, n int64)
	// Direct makes later writes go past the system's cache, or through it again.
	// It reports whether that is so. Direct writes start and end at multiples
	// of 4 KiB; a system may still refuse them with EINVAL.
	Direct(on bool) bool
}

// Info describes a file.
type Info struct {
	Size     int64 // bytes
	Modified time.Time
}
