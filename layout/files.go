package layout

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/orlop/orlop"
)

// Bounds on what is read into memory, in bytes, and on the files of a tar.
const (
	maxLayoutFile = 1 << 10
	maxIndexFile  = 64 << 20
	maxTarFiles   = 1 << 20
)

// files are the files of a layout, by slash-separated names.
type files interface {
	// open opens a regular file. fs.ErrNotExist if it is absent.
	open(name string) (*file, error)
	// stat is open without opening.
	stat(name string) (stamp, error)
	io.Closer
}

// store is files that can be written to.
type store interface {
	files
	// writeBlob writes content to its place if it has the right size and digest.
	writeBlob(desc orlop.Descriptor, content io.Reader) error
	// batch tells that what is written need not be durable before commit.
	batch()
	// commit adds manifests and names to index.json.
	commit(ctx context.Context, pushed *names) error
}

// file is a file open for reading.
type file struct {
	io.ReaderAt
	io.Closer
	stamp
}

// stamp tells one version of a file from another.
type stamp struct {
	size     int64
	modified time.Time
}

// readAll reads a file of at most limit bytes.
func readAll(fs files, name string, limit int64) ([]byte, error) {
	f, err := fs.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.size > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d: %w", name, f.size, limit, orlop.ErrTooLarge)
	}
	raw := make([]byte, f.size)
	if _, err := f.ReadAt(raw, 0); err != nil && (err != io.EOF || f.size > 0) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return raw, nil
}

func (d *dir) stat(name string) (stamp, error) {
	info, err := d.root.Stat(name)
	if err != nil {
		return stamp{}, err
	}
	if !info.Mode().IsRegular() { // a pipe would be waited for
		return stamp{}, fmt.Errorf("%s is no regular file: %w", name, orlop.ErrDamaged)
	}
	return stamp{info.Size(), info.ModTime()}, nil
}

func (d *dir) open(name string) (*file, error) {
	if _, err := d.stat(name); err != nil {
		return nil, err
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &file{f, f, stamp{info.Size(), info.ModTime()}}, nil
}

// tarFiles are the files in a tar file.
type tarFiles struct {
	f     *os.File
	files map[string]section
}

// section is where in the tar file a file lies.
type section struct{ offset, size int64 }

func openTar(name string) (*tarFiles, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	t := &tarFiles{f: f, files: map[string]section{}}
	if err := t.list(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	return t, nil
}

// list notes where the regular files lie. The last of several with one name
// counts, as when a tar file is unpacked.
func (t *tarFiles) list() error {
	tr := tar.NewReader(t.f)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		offset, err := t.f.Seek(0, io.SeekCurrent) // tar.Reader has read no further than the header
		if err != nil {
			return err
		}
		if len(t.files) == maxTarFiles {
			return fmt.Errorf("more than %d files: %w", maxTarFiles, orlop.ErrTooLarge)
		}
		t.files[strings.TrimPrefix(path.Clean("/"+h.Name), "/")] = section{offset, h.Size}
	}
}

func (t *tarFiles) stat(name string) (stamp, error) {
	s, ok := t.files[name]
	if !ok {
		return stamp{}, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return stamp{size: s.size}, nil
}

func (t *tarFiles) open(name string) (*file, error) {
	st, err := t.stat(name)
	if err != nil {
		return nil, err
	}
	return &file{io.NewSectionReader(t.f, t.files[name].offset, st.size), io.NopCloser(nil), st}, nil
}

func (t *tarFiles) Close() error { return t.f.Close() }
