//go:build unix

package files

import (
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// makeNew puts a file of this content at p, where none was a moment ago, with as
// few system calls as it takes: an os.File has itself watched, and os.Root looks at
// what it renames, which costs as much again as the file.
func (t *Target) makeNew(p place, content []byte) error {
	dir, err := t.enter(filepath.Dir(p.name))
	if err != nil {
		return err
	}
	defer t.leave(dir)
	temp, name := tempName("x"), filepath.Base(p.name)
	err = makeFile(int(dir.file.Fd()), temp, 0o666, content)
	if err == nil {
		err = again(func() error { return unix.Renameat(int(dir.file.Fd()), temp, int(dir.file.Fd()), name) })
	}
	if err != nil && err != unix.EEXIST {
		unix.Unlinkat(int(dir.file.Fd()), temp, 0)
	}
	return err
}

// writeWhole is write for content that is in memory.
func (n *newFile) writeWhole(content []byte) error {
	dir, err := n.dir.file()
	if err != nil {
		return err
	}
	fd := int(dir.Fd())
	mode := uint32(n.mode.Perm())
	if err := replacing(n.dir.root, n.base, func() error { return makeFile(fd, n.base, mode, content) }); err != nil {
		return err
	}
	if n.preserve {
		if err := n.dir.root.Chmod(n.base, n.mode); err != nil {
			return err
		}
	}
	if t, err := unix.TimeToTimespec(n.time); err == nil { // as far as the file system can
		_ = unix.UtimesNanoAt(fd, n.base, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
	}
	return nil
}

// makeFile makes a file. If it fails there may be a part of it, unless one was
// there before.
func makeFile(dir int, name string, mode uint32, content []byte) error {
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		return err
	}
	for len(content) > 0 && err == nil {
		err = again(func() error {
			n, err := unix.Write(fd, content)
			content = content[max(n, 0):]
			return err
		})
	}
	if e := unix.Close(fd); err == nil && e != unix.EINTR { // which has closed it, too
		err = e
	}
	return err
}

// again repeats a system call that a signal has interrupted.
func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// enter opens a folder of the target, or takes it from who was there last.
func (t *Target) enter(dir string) (*openFolder, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil || t.last.name != dir {
		f, err := t.root.Open(dir)
		if err != nil {
			return nil, err
		}
		if info, err := f.Stat(); err != nil || !info.IsDir() {
			f.Close()
			return nil, fs.ErrInvalid
		}
		t.closeLast()
		t.last = &openFolder{file: f, name: dir, users: 1}
	}
	t.last.users++
	return t.last, nil
}

func (t *Target) leave(f *openFolder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.leave()
}
