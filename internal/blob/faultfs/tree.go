package faultfs

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/orlop/orlop/internal/blob/fs/fsys"
)

// begin counts a call and finds the directory and the last part of a name. It
// is called with mu held.
func (f *FS) begin(op, name string) (dir *node, base string, err error) {
	if err := f.call(); err != nil {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: err}
	}
	if !fs.ValidPath(name) {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	dir = f.root
	for part := range strings.SplitSeq(path.Dir(name), "/") {
		if dir, err = step(dir, part); err != nil {
			return nil, "", &fs.PathError{Op: op, Path: name, Err: err}
		}
	}
	return dir, path.Base(name), nil
}

// step goes from a directory to one in it.
func step(dir *node, name string) (*node, error) {
	if name == "." {
		return dir, nil
	}
	next := dir.names[name]
	if next == nil {
		return nil, syscall.ENOENT
	}
	if next.names == nil {
		return nil, syscall.ENOTDIR
	}
	return next, nil
}

// Create implements fsys.FS.
func (f *FS) Create(name string) (fsys.File, error) {
	return f.make("create", name, func() *node { return &node{modified: time.Now()} })
}

// Mkdir implements fsys.FS.
func (f *FS) Mkdir(name string) error {
	_, err := f.make("mkdir", name, newDir)
	return err
}

func (f *FS) make(op, name string, newNode func() *node) (fsys.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, base, err := f.begin(op, name)
	if err != nil {
		return nil, err
	}
	if dir.names[base] != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: syscall.EEXIST}
	}
	n := newNode()
	dir.names[base] = n
	f.changes = append(f.changes, &change{dir: dir, name: base, node: n})
	return &file{fs: f, node: n, name: name}, nil
}

// Append implements fsys.FS.
func (f *FS) Append(name string) (fsys.File, error) { return f.open("append", name) }

// Open implements fsys.FS.
func (f *FS) Open(name string) (fsys.File, error) { return f.open("open", name) }

func (f *FS) open(op, name string) (fsys.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(op, name)
	if err != nil {
		return nil, err
	}
	if n.names != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: syscall.EISDIR}
	}
	return &file{fs: f, node: n, name: name}, nil
}

// find counts a call and finds a file or directory. It is called with mu held.
func (f *FS) find(op, name string) (*node, error) {
	dir, base, err := f.begin(op, name)
	if err != nil {
		return nil, err
	}
	if base == "." {
		return dir, nil
	}
	n := dir.names[base]
	if n == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOENT}
	}
	return n, nil
}

// Stat implements fsys.FS.
func (f *FS) Stat(name string) (fsys.Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find("stat", name)
	if err != nil {
		return fsys.Info{}, err
	}
	return fsys.Info{Size: int64(len(n.content)), Modified: n.modified}, nil
}

// ReadDir implements fsys.FS.
func (f *FS) ReadDir(name string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, err := f.findDir("readdir", name)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(dir.names)), nil
}

func (f *FS) findDir(op, name string) (*node, error) {
	dir, err := f.find(op, name)
	if err != nil {
		return nil, err
	}
	if dir.names == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	return dir, nil
}

// Rename implements fsys.FS.
func (f *FS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, base, err := f.begin("rename", from)
	if err != nil {
		return err
	}
	f.calls-- // one call, though two names are looked up
	toDir, toBase, err := f.begin("rename", to)
	if err != nil {
		return err
	}
	n := dir.names[base]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: syscall.ENOENT}
	}
	if toDir.names[toBase] != nil {
		return &fs.PathError{Op: "rename", Path: to, Err: syscall.EEXIST}
	}
	delete(dir.names, base)
	toDir.names[toBase] = n
	added := &change{dir: toDir, name: toBase, node: n}
	f.changes = append(f.changes, added, &change{dir: dir, name: base, node: n, removed: true, after: added})
	return nil
}

// Remove implements fsys.FS.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, base, err := f.begin("remove", name)
	if err != nil {
		return err
	}
	n := dir.names[base]
	if n == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOENT}
	}
	delete(dir.names, base)
	f.changes = append(f.changes, &change{dir: dir, name: base, node: n, removed: true})
	return nil
}

// SyncDir implements fsys.FS. The old name of a renamed file may stay on the
// disk until the new one is there.
func (f *FS) SyncDir(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, err := f.findDir("syncdir", name)
	if err != nil {
		return err
	}
	for _, c := range f.changes {
		if c.dir == dir {
			c.apply()
		}
	}
	f.changes = slices.DeleteFunc(f.changes, func(c *change) bool { return c.done })
	return nil
}

// apply makes a change durable, if it may be.
func (c *change) apply() {
	switch {
	case c.after != nil && !c.after.done:
		return
	case !c.removed:
		c.dir.durable[c.name] = c.node
	case c.dir.durable[c.name] == c.node:
		delete(c.dir.durable, c.name)
	}
	c.done = true
}

// Close implements fsys.FS.
func (f *FS) Close() error { return nil }
