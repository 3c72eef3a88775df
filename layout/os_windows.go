package layout

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Errors of the system that package syscall does not name.
const (
	errSharingViolation = syscall.Errno(32)
	errHandleDiskFull   = syscall.Errno(39)
	errDiskFull         = syscall.Errno(112)
)

// tryLock opens a file that no other may have open, or returns nil if another
// has. The system gives it back when the process ends, however it ends.
func (d *dir) tryLock(name string) (io.Closer, error) {
	path := filepath.Join(d.path, name)
	p, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(p, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errSharingViolation) {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

// isFull tells whether an error says that there is no space.
func isFull(err error) bool { return errors.Is(err, errDiskFull) || errors.Is(err, errHandleDiskFull) }
