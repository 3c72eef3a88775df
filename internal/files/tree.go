package files

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// filesAhead is how many files are being read at once, for one who uses them
	// in order.
	filesAhead = 32
	// maxAhead is the largest file, in bytes, that is read ahead whole; larger
	// ones are opened only.
	maxAhead = 128 << 10
)

// node is a file, directory or link of a tree.
type node struct {
	name string // relative to the tree, with slashes; "." is the tree itself
	info fs.FileInfo
	link string   // target of a symbolic link
	raw  []byte   // content of a small file
	file *os.File // a large file
}

// close closes the file, if there is one. n may be nil.
func (n *node) close() {
	if n != nil && n.file != nil {
		n.file.Close()
	}
}

// readTree reads a directory and what is in it, in the order of names as ORAS
// goes: each directory before its content. Files are read ahead.
func readTree(ctx context.Context, root *os.Root) iter.Seq2[*node, error] {
	return func(yield func(*node, error) bool) {
		walking, cancel := context.WithCancel(ctx)
		w := walker{ctx: walking, loading: make(chan chan loaded, filesAhead)}
		go w.run(root)
		defer w.drain()
		defer cancel()
		for loading := range w.loading {
			l := <-loading
			more := yield(l.node, l.err) && l.err == nil
			l.node.close()
			if !more {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// loaded is a node or why it could not be read.
type loaded struct {
	node *node
	err  error
}

// walker finds the nodes and has them loaded, several at once.
type walker struct {
	ctx     context.Context
	loading chan chan loaded // in order
}

func (w *walker) run(root *os.Root) {
	defer close(w.loading)
	top := &folder{root: root, shared: true}
	if w.load(top, ".", ".") {
		w.walk(top, ".")
	}
}

// drain waits for the end and closes files that nobody wanted any more.
func (w *walker) drain() {
	for loading := range w.loading {
		l := <-loading
		l.node.close()
	}
}

// folder is an open directory. It is closed when nothing in it is used.
type folder struct {
	root   *os.Root
	shared bool // belongs to someone else
	users  atomic.Int32

	opening sync.Once // guards what follows
	dir     *os.File  // the same, for system calls of our own
	err     error
}

// file returns the directory as a file, which the folder closes.
func (f *folder) file() (*os.File, error) {
	f.opening.Do(func() { f.dir, f.err = f.root.Open(".") })
	return f.dir, f.err
}

func (f *folder) release() {
	if f.users.Add(-1) > 0 {
		return
	}
	f.dir.Close() // if it was opened
	if !f.shared {
		f.root.Close()
	}
}

// walk loads what is in a folder. It reports whether to go on.
func (w *walker) walk(f *folder, name string) bool {
	f.users.Add(1)
	defer f.release()
	entries, err := readDir(f.root)
	if err != nil {
		return w.fail(name, err)
	}
	for _, e := range entries {
		child := path.Join(name, e.Name())
		if !w.load(f, e.Name(), child) {
			return false
		}
		if e.IsDir() && !w.walkSub(f, e.Name(), child) {
			return false
		}
	}
	return true
}

func (w *walker) walkSub(f *folder, base, name string) bool {
	sub, err := f.root.OpenRoot(base)
	if err != nil {
		return w.fail(name, err)
	}
	return w.walk(&folder{root: sub}, name)
}

// readDir lists a folder in the order of names.
func readDir(root *os.Root) ([]fs.DirEntry, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// load has one node loaded. It waits while as many are under way as may be.
func (w *walker) load(f *folder, base, name string) bool {
	result := make(chan loaded, 1)
	select {
	case w.loading <- result:
	case <-w.ctx.Done():
		return false
	}
	f.users.Add(1)
	go func() {
		defer f.release()
		n, err := loadNode(f.root, base, name)
		result <- loaded{n, named(name, err)}
	}()
	return true
}

// fail ends the walk by an error.
func (w *walker) fail(name string, err error) bool {
	result := make(chan loaded, 1)
	result <- loaded{nil, named(name, err)}
	select {
	case w.loading <- result:
	case <-w.ctx.Done():
	}
	return false
}

// named says which node an error is about.
func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, withoutPath(err))
}

func loadNode(root *os.Root, base, name string) (*node, error) {
	info, err := root.Lstat(base)
	if err != nil {
		return nil, err
	}
	n := &node{name: name, info: info}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		n.link, err = root.Readlink(base)
	case info.Mode().IsRegular():
		err = n.open(root, base)
	}
	return n, err
}

// open opens a file, and reads it if it is small.
func (n *node) open(root *os.Root, base string) error {
	f, err := root.Open(base)
	if err != nil {
		return err
	}
	if n.info.Size() > maxAhead {
		n.file = f
		return nil
	}
	defer f.Close()
	n.raw = make([]byte, n.info.Size()+1) // room to see that it has grown
	read, err := io.ReadFull(f, n.raw)
	n.raw = n.raw[:read]
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return err
}

// writeTo writes the content, of the size that info tells.
func (n *node) writeTo(ctx context.Context, w io.Writer) error {
	written := int64(len(n.raw))
	var err error
	if n.file != nil {
		written, err = copyBuffer(ctx, w, n.file)
	} else {
		_, err = w.Write(n.raw)
	}
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && written != n.info.Size() {
		err = ErrChanged
	}
	return err
}
