package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// merge moves an unpacked tree into place. What is there already stays, but
// for files and links of the same names, each replaced in one step.
type merge struct {
	root    *os.Root
	keepOld bool            // an existing file is an error
	existed map[string]bool // directories that were there
}

// move moves from to the name to. It looks for conflicts before it changes
// anything.
func (m *merge) move(from, to string) error {
	m.existed = map[string]bool{}
	if err := m.walk(from, to, m.check); err != nil {
		return err
	}
	return m.walk(from, to, m.rename)
}

// walk calls do for from; where to is a directory too, for what is in from.
func (m *merge) walk(from, to string, do func(from, to string, old fs.FileInfo) error) error {
	info, err := m.root.Lstat(from)
	if err != nil {
		return err
	}
	old, err := m.root.Lstat(to)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if old == nil && info.IsDir() {
		if err = do(from, to, nil); err == nil {
			return nil
		}
		old, _ = m.root.Lstat(to) // another file may have made it meanwhile
		if old == nil {
			return err
		}
	}
	if !info.IsDir() {
		return do(from, to, old)
	}
	if !old.IsDir() {
		return fmt.Errorf("%q exists and is not a directory", to)
	}
	m.existed[to] = true
	return m.walkDir(from, to, do)
}

func (m *merge) walkDir(from, to string, do func(from, to string, old fs.FileInfo) error) error {
	d, err := m.root.Open(from)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1) // all, for they are moved away meanwhile
	if err != nil && err != io.EOF {
		return err
	}
	for _, name := range names {
		if err := m.walk(filepath.Join(from, name), filepath.Join(to, name), do); err != nil {
			return err
		}
	}
	return nil
}

func (m *merge) check(_, to string, old fs.FileInfo) error {
	switch {
	case old == nil:
		return nil
	case old.IsDir():
		return fmt.Errorf("%q exists and is a directory", to)
	case m.keepOld:
		return fmt.Errorf("%q: %w", to, ErrExists)
	case old.Mode().IsRegular(), old.Mode()&fs.ModeSymlink != 0:
		return nil
	}
	return fmt.Errorf("%q exists and is not a regular file", to)
}

func (m *merge) rename(from, to string, old fs.FileInfo) error {
	if err := m.check(from, to, old); err != nil {
		return err
	}
	if old != nil {
		m.sync(from) // lest a power cut leave an empty file for a good one
	}
	return m.root.Rename(from, to)
}

// sync puts a file on disk, as far as that is possible.
func (m *merge) sync(name string) {
	if info, err := m.root.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return
	}
	if f, err := m.root.Open(name); err == nil {
		f.Sync()
		f.Close()
	}
}
