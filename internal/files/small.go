package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/orlop/orlop"
)

// Whole is a reader of content that is in memory already, and is what desc
// describes: an OpenFunc that gives it spares small files a copy.
func Whole(content []byte, desc orlop.Descriptor) orlop.BlobReader {
	return &whole{*bytes.NewReader(content), content, desc}
}

type whole struct {
	bytes.Reader
	content []byte
	desc    orlop.Descriptor
}

// Descriptor implements orlop.BlobReader.
func (w *whole) Descriptor() orlop.Descriptor { return w.desc }

// Close implements io.Closer.
func (w *whole) Close() error { return nil }

// writeSmall is writeVerified for a file that fits into memory: nothing is made
// on disk before the content is there and right. The temporary file lives so
// briefly that it needs no mark: if another process takes it for one that was
// left behind, the file is written again, marked.
func (t *Target) writeSmall(ctx context.Context, p place, old fs.FileInfo, d download) error {
	content, err := d.small(ctx)
	if err != nil {
		return err
	}
	t.sweep(p.root, filepath.Dir(p.name))
	if old == nil && !p.owned {
		err = t.makeNew(p, content)
	} else {
		err = replace(p, content, old)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	again := download{desc: d.desc, open: func(context.Context, int64) (io.ReadCloser, error) {
		return Whole(content, d.desc), nil
	}}
	return t.writeVerified(ctx, p, old, again)
}

// small returns the content of a small blob, verified.
func (d *download) small(ctx context.Context) ([]byte, error) {
	r, err := d.open(ctx, 0)
	if w, ok := r.(*whole); ok && err == nil && w.desc.Digest == d.desc.Digest && int64(len(w.content)) == d.desc.Size {
		return w.content, nil
	}
	open := d.open
	d.open = func(ctx context.Context, off int64) (io.ReadCloser, error) { // this once as it was opened
		d.open = open
		return r, err
	}
	f := memoryFile{b: make([]byte, 0, d.desc.Size)}
	err = d.fetch(ctx, &f)
	return f.b, err
}

// openFolder is a folder of the target that small files are written to. They come
// in the order of their folders, mostly.
type openFolder struct {
	file  *os.File
	name  string
	users int // Target.last is one. Guarded by Target.mu
}

func (f *openFolder) leave() {
	if f.users--; f.users == 0 {
		f.file.Close()
	}
}

// closeLast forgets the folder that was written to last. t.mu is held.
func (t *Target) closeLast() {
	if t.last != nil {
		t.last.leave()
		t.last = nil
	}
}

// replace puts a file of this content in place of old, which may be nil.
func replace(p place, content []byte, old fs.FileInfo) error {
	temp := tempName(p.name)
	f, err := p.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = likeOld(f, old)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = p.root.Rename(temp, p.name)
	}
	if err != nil {
		p.root.Remove(temp)
	}
	return err
}

// likeOld gives a file the permissions of the one that it replaces, and puts it on
// disk, so that a power cut leaves one of the two whole.
func likeOld(f *os.File, old fs.FileInfo) error {
	if old == nil {
		return nil
	}
	if old.Mode().IsRegular() {
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			return err
		}
	}
	return f.Sync()
}

// memoryFile is a file in memory. It does not grow beyond the capacity of b.
type memoryFile struct {
	b   []byte
	off int
}

var _ file = (*memoryFile)(nil)

// Write implements io.Writer.
func (m *memoryFile) Write(p []byte) (int, error) {
	if len(p) > cap(m.b)-m.off {
		return 0, io.ErrShortWrite
	}
	m.b = append(m.b[:m.off], p...)
	m.off += len(p)
	return len(p), nil
}

// ReadAt implements io.ReaderAt.
func (m *memoryFile) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.b).ReadAt(p, off)
}

// Seek implements io.Seeker, for the start only.
func (m *memoryFile) Seek(off int64, whence int) (int64, error) {
	if whence != io.SeekStart || off < 0 || off > int64(len(m.b)) {
		return 0, fmt.Errorf("seek to %d", off)
	}
	m.off = int(off)
	return off, nil
}

// Truncate implements file.
func (m *memoryFile) Truncate(size int64) error {
	m.b = m.b[:size]
	return nil
}
