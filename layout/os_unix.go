//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package layout

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// tryLock takes the lock on a file, or returns nil if another holds it. The
// system gives it back when the process ends, however it ends.
func (d *dir) tryLock(name string) (io.Closer, error) {
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return nil, nil
	}
	return nil, os.NewSyscallError("flock", err)
}

// isFull tells whether an error says that there is no space.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
