//go:build unix

package files

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// lock locks an open file or folder against other processes, and other uses in
// this one, until release is called or this process ends; f may be closed
// before. If someone else has the lock, it waits or gives errInUse; other errors
// say that there are no locks here.
func lock(f *os.File, wait bool) (release func(), err error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0) // the lock is that of all copies
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Flock(fd, how)
	}
	if err != nil {
		unix.Close(fd)
		if err == unix.EWOULDBLOCK {
			err = errInUse
		}
		return nil, err
	}
	return func() { unix.Close(fd) }, nil
}

// removeUnused removes a temporary file or folder that no process uses. It
// holds the lock meanwhile, so that none can begin to.
func removeUnused(root *os.Root, name string, _ fs.FileInfo) {
	f, err := root.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	if release, err := lock(f, false); err == nil {
		root.RemoveAll(name)
		release()
	}
}

// isOurs tells whether a file is a regular one that nobody else can write to by
// another name or as its owner.
func isOurs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && stat.Nlink == 1 && int(stat.Uid) == os.Geteuid()
}
