//go:build !windows

package filelock

import (
	"os"

	"golang.org/x/sys/unix"
)

// Try takes the lock on a file if it is free, until the file is closed. The
// error matches errors.ErrUnsupported where the file system has no locks.
func Try(f *os.File) (bool, error) {
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
	case nil:
		return true, nil
	case unix.EWOULDBLOCK, unix.EINTR:
		return false, nil
	default:
		return false, err
	}
}
