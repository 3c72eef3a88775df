package faultfs

import (
	"bytes"
	"io/fs"
	"syscall"
	"time"

	"github.com/orlop/orlop/internal/blob/fs/fsys"
)

// file is an open file.
type file struct {
	fs   *FS
	node *node
	name string
}

func (f *file) failure(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

// Write implements fsys.File: all writes are at the end. One that fails has
// written half.
func (f *file) Write(p []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	crashed := f.fs.crashed
	err := f.fs.call()
	if crashed {
		return 0, f.failure("write", err)
	}
	if err != nil {
		p = p[:len(p)/2]
	}
	f.node.content = append(f.node.content, p...)
	f.node.modified = time.Now()
	if err != nil {
		return len(p), f.failure("write", err)
	}
	return len(p), nil
}

// ReadAt implements fsys.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.call(); err != nil {
		return 0, f.failure("read", err)
	}
	if len(p) == 0 {
		return 0, nil // as os.File
	}
	return bytes.NewReader(f.node.content).ReadAt(p, off)
}

// Size implements fsys.File.
func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.crashed {
		return 0, f.failure("stat", ErrCrashed)
	}
	return int64(len(f.node.content)), nil
}

// Truncate implements fsys.File.
func (f *file) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.call(); err != nil {
		return f.failure("truncate", err)
	}
	if size < 0 || size > int64(len(f.node.content)) {
		return f.failure("truncate", syscall.EINVAL)
	}
	f.node.content = bytes.Clone(f.node.content[:size])
	return nil
}

// Sync implements fsys.File.
func (f *file) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.call(); err != nil {
		f.node.lost = true
		return f.failure("sync", err)
	}
	if !f.node.lost {
		f.node.synced = bytes.Clone(f.node.content)
	}
	return nil
}

// Writeback implements fsys.File.
func (f *file) Writeback(off, n int64) {}

// Direct implements fsys.File. What is written directly is no more durable than
// the rest until it is synced.
func (f *file) Direct(on bool) bool { return true }

// Close implements fsys.File.
func (f *file) Close() error { return nil }

var _ fsys.File = (*file)(nil)
