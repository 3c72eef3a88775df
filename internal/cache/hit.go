package cache

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

const (
	// maxInMemory is the largest content, in bytes, that is read whole before
	// any of it is given out.
	maxInMemory = 1 << 20
	bufferSize  = 256 << 10
	// touchAfter is how old the time of the last use may be before it is set
	// anew.
	touchAfter = time.Minute
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// entry is content of the cache that has been verified.
type entry struct {
	io.ReaderAt
	f        *os.File // nil for content in memory
	dgst     digest.Digest
	size     int64
	modified time.Time // before it was verified
}

// Close closes the file.
func (e entry) Close() error {
	if e.f == nil {
		return nil
	}
	return e.f.Close()
}

// has tells whether there is content of a digest, which may be damaged.
func (c *Cache) has(dgst digest.Digest) bool {
	_, err := c.root.Lstat(blobName(dgst))
	return err == nil
}

// open opens the content of a digest. It is verified before anything of it is
// given out: a reader that finds damage at the end could not turn to the
// registry any more. ok is false if the content is not here, or not right.
func (c *Cache) open(ctx context.Context, dgst digest.Digest) (e entry, ok bool) {
	name := blobName(dgst)
	info, err := c.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() { // a pipe would be waited for
		return entry{}, false
	}
	f, err := c.root.Open(name)
	if err != nil {
		return entry{}, false
	}
	if e, err = verified(ctx, f, dgst); err != nil {
		f.Close()
		if errors.Is(err, orlop.ErrDamaged) {
			c.remove(name)
		}
		return entry{}, false
	}
	if now := time.Now(); now.Sub(info.ModTime()) > touchAfter {
		_ = c.root.Chtimes(name, now, now) // systems do not keep the time of reading; it may be someone else's file
	}
	return e, true
}

// verified checks a file by its digest. What is small is kept in memory, and the
// file closed.
func verified(ctx context.Context, f *os.File, dgst digest.Digest) (entry, error) {
	info, err := f.Stat()
	if err != nil {
		return entry{}, err
	}
	e := entry{ReaderAt: f, f: f, dgst: dgst, size: info.Size(), modified: info.ModTime()}
	if e.size <= maxInMemory {
		raw := make([]byte, e.size)
		if _, err := io.ReadFull(f, raw); err != nil {
			return entry{}, err
		}
		if err := f.Close(); err != nil {
			return entry{}, err
		}
		e.ReaderAt, e.f = bytes.NewReader(raw), nil
	}
	return e, e.verify(ctx)
}

// verify reads the content and checks its digest.
func (e entry) verify(ctx context.Context) error {
	v := e.dgst.Verifier()
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	content := contextReader{ctx, io.NewSectionReader(e, 0, e.size)}
	if _, err := io.CopyBuffer(struct{ io.Writer }{v}, content, buf[:]); err != nil {
		return err
	}
	if !v.Verified() {
		return orlop.ErrDamaged
	}
	return nil
}

// unchanged tells whether the file is still what was verified. If its time tells
// nothing, for others who use the cache set it too, it is verified again.
func (e entry) unchanged(ctx context.Context) error {
	if e.f == nil {
		return nil
	}
	info, err := e.f.Stat()
	if err != nil || info.Size() == e.size && info.ModTime().Equal(e.modified) {
		return err
	}
	if err := e.verify(ctx); err != nil || info.Size() != e.size {
		return fmt.Errorf("blob %s of the cache was changed while it was read: %w", e.dgst, cmp.Or(err, orlop.ErrDamaged))
	}
	return nil
}

// remove removes damage from a cache of our own.
func (c *Cache) remove(name string) {
	if c.own {
		c.root.Remove(name)
	}
}

// contextReader is a reader that ends with a context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// blobReader reads a range of an entry.
type blobReader struct {
	entry
	ctx     context.Context // of OpenBlob: io.Reader has no place for one
	content io.Reader       // of the range
	left    int64           // bytes
}

var _ orlop.BlobReader = (*blobReader)(nil)

// reader reads n bytes of an entry from off.
func (e entry) reader(ctx context.Context, off, n int64) (*blobReader, error) {
	if off < 0 || off > e.size {
		return nil, orlop.ErrRangeInvalid.With(fmt.Sprintf("offset %d is outside %d bytes", off, e.size))
	}
	if n < 0 || n > e.size-off {
		n = e.size - off
	}
	return &blobReader{entry: e, ctx: ctx, content: contextReader{ctx, io.NewSectionReader(e, off, n)}, left: n}, nil
}

// Descriptor describes the whole blob.
func (b *blobReader) Descriptor() orlop.Descriptor {
	return orlop.Descriptor{MediaType: mediaType, Digest: b.dgst, Size: b.size}
}

// Read gives out the last bytes only if the file is still the same.
func (b *blobReader) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.content.Read(p)
	if err != nil && err != io.EOF {
		return n, err
	}
	b.left -= int64(n)
	if b.left == 0 || err == io.EOF { // it may have been cut
		if err := b.unchanged(b.ctx); err != nil {
			return 0, err
		}
	}
	return n, err
}
