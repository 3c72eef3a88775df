package fsys

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Files and directories are for the server's user alone.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// Dir is a directory of the operating system. Nothing outside it is reached,
// by symbolic links neither.
type Dir struct{ root *os.Root }

var _ FS = (*Dir)(nil)

// OpenDir opens a directory, and makes it and its parents durably if it does
// not exist.
func OpenDir(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := makeDir(path); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{root: root}, nil
}

// makeDir is os.MkdirAll that syncs the parent of every directory it makes.
func makeDir(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, dirMode); err != nil && !os.IsExist(err) {
		return err
	}
	d, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Create implements FS.
func (d *Dir) Create(name string) (File, error) {
	return d.open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
}

// Append implements FS.
func (d *Dir) Append(name string) (File, error) {
	return d.open(name, os.O_WRONLY|os.O_APPEND)
}

// Open implements FS.
func (d *Dir) Open(name string) (File, error) {
	return d.open(name, os.O_RDONLY)
}

func (d *Dir) open(name string, flag int) (File, error) {
	f, err := d.root.OpenFile(name, flag, fileMode)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

// Stat implements FS.
func (d *Dir) Stat(name string) (Info, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return Info{}, err
	}
	return Info{Size: info.Size(), Modified: info.ModTime()}, nil
}

// ReadDir implements FS.
func (d *Dir) ReadDir(name string) ([]string, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// Mkdir implements FS.
func (d *Dir) Mkdir(name string) error { return d.root.Mkdir(name, dirMode) }

// Rename implements FS.
func (d *Dir) Rename(from, to string) error { return d.root.Rename(from, to) }

// Remove implements FS.
func (d *Dir) Remove(name string) error { return d.root.Remove(name) }

// SyncDir implements FS.
func (d *Dir) SyncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Close implements FS.
func (d *Dir) Close() error { return d.root.Close() }

type file struct{ *os.File }

func (f file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f file) Sync() error { return syncData(f.File) }

func (f file) Writeback(off, n int64) { writeback(f.File, off, n) }

func (f file) Direct(on bool) bool { return direct(f.File, on) }
