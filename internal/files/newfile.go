package files

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// replacing has make make an entry that is no directory. A later entry replaces an
// earlier one, but never a directory.
func replacing(root *os.Root, base string, make func() error) error {
	err := make()
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := root.Lstat(base)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("it would replace a directory")
	}
	if err := root.Remove(base); err != nil {
		return err
	}
	return make()
}

// file writes a file: a small one while the archive is read on.
func (x *extractor) file(ctx context.Context, name string, h *tar.Header, content io.Reader) error {
	dir, base, err := x.enter(name)
	if err != nil {
		return err
	}
	f := newFile{dir: dir, base: base, mode: h.FileInfo().Mode().Perm(), time: h.ModTime, preserve: x.options.PreserveModes}
	// The holes of a sparse file are not in the tar, so they are counted here.
	content = &limitReader{content, x.left}
	x.left -= h.Size
	if h.Size > maxAhead {
		if err := x.writing.settle(name); err != nil {
			return err
		}
		return f.write(func(w io.Writer) error { _, err := copyBuffer(ctx, w, content); return err })
	}
	raw := make([]byte, h.Size)
	if _, err := io.ReadFull(content, raw); err != nil {
		return err
	}
	dir.users.Add(1)
	return x.writing.start(name, func() error {
		defer dir.release()
		return aboutEntry(h.Name, f.writeWhole(raw))
	})
}

// newFile is a file that an archive makes.
type newFile struct {
	dir      *folder
	base     string
	mode     fs.FileMode
	time     time.Time
	preserve bool // the mode, whatever the umask is
}

func (n *newFile) write(content func(w io.Writer) error) error {
	root := n.dir.root
	var f *os.File
	err := replacing(root, n.base, func() (err error) {
		f, err = root.OpenFile(n.base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, n.mode)
		return err
	})
	if err != nil {
		return err
	}
	err = content(f)
	if err == nil && n.preserve {
		err = f.Chmod(n.mode)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		root.Chtimes(n.base, n.time, n.time) // as far as the file system can
	}
	return err
}
