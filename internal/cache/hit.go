package cache

import (
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
	io.Closer
	size int64
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
	e, err = verified(ctx, f, dgst)
	if err != nil {
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

// verified checks a file by its digest. What is small is kept in memory.
func verified(ctx context.Context, f *os.File, dgst digest.Digest) (entry, error) {
	info, err := f.Stat()
	if err != nil {
		return entry{}, err
	}
	e := entry{f, f, info.Size()}
	if info.Size() <= maxInMemory {
		raw := make([]byte, info.Size())
		if _, err := io.ReadFull(f, raw); err != nil {
			return entry{}, err
		}
		e.ReaderAt = bytesAt(raw)
	}
	v := dgst.Verifier()
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	content := contextReader{ctx, io.NewSectionReader(e, 0, e.size)}
	if _, err := io.CopyBuffer(struct{ io.Writer }{v}, content, buf[:]); err != nil {
		return entry{}, err
	}
	if !v.Verified() {
		return entry{}, orlop.ErrDamaged
	}
	return e, nil
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

// bytesAt is content in memory.
type bytesAt []byte

func (b bytesAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// blobReader reads a range of an entry.
type blobReader struct {
	entry
	dgst     digest.Digest
	content  io.Reader       // of the range
	left     int64           // bytes
	verifier digest.Verifier // nil for a range
}

var _ orlop.BlobReader = (*blobReader)(nil)

// reader reads n bytes of an entry from off.
func (e entry) reader(ctx context.Context, dgst digest.Digest, off, n int64) (*blobReader, error) {
	if off < 0 || off > e.size {
		return nil, orlop.ErrRangeInvalid.With(fmt.Sprintf("offset %d is outside %d bytes", off, e.size))
	}
	if n < 0 || n > e.size-off {
		n = e.size - off
	}
	b := &blobReader{entry: e, dgst: dgst, left: n, content: contextReader{ctx, io.NewSectionReader(e, off, n)}}
	if n == e.size && n > maxInMemory { // the file may be changed while it is read
		b.verifier = dgst.Verifier()
	}
	return b, nil
}

// Descriptor describes the whole blob.
func (b *blobReader) Descriptor() orlop.Descriptor {
	return orlop.Descriptor{MediaType: mediaType, Digest: b.dgst, Size: b.size}
}

// Read gives out the last bytes of a whole blob only if its digest is right.
func (b *blobReader) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.content.Read(p)
	b.left -= int64(n)
	if err == io.EOF && b.left > 0 { // the file was cut
		return n, b.damaged()
	}
	if b.verifier == nil {
		return n, err
	}
	b.verifier.Write(p[:n])
	if b.left == 0 && !b.verifier.Verified() {
		return 0, b.damaged()
	}
	return n, err
}

func (b *blobReader) damaged() error {
	return fmt.Errorf("blob %s of the cache was changed while it was read: %w", b.dgst, orlop.ErrDamaged)
}
