//go:build unix

package files

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// mark marks a temporary file or folder as in use until release is called or
// this process ends: by a lock, on a handle of its own. ok is false if another
// process has swept it away before that. Where there are no locks there are no
// marks, and no process sweeps.
func mark(root *os.Root, name string) (release func(), ok bool) {
	f, err := root.Open(name)
	if err != nil {
		return func() {}, !errors.Is(err, fs.ErrNotExist)
	}
	unix.Flock(int(f.Fd()), unix.LOCK_EX)
	if _, err := root.Lstat(name); err != nil {
		f.Close()
		return nil, false
	}
	return func() { f.Close() }, true
}

// removeUnused removes a temporary file or folder that no process uses. It
// holds the lock meanwhile, so that none can begin to.
func removeUnused(root *os.Root, name string, _ fs.FileInfo) {
	f, err := root.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		root.RemoveAll(name)
	}
}
