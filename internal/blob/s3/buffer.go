package s3

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// chunkSize is the unit in which memory is lent, in bytes: small enough that a
// small object takes little.
const chunkSize = 256 << 10

// plenty is how many chunks are lent before those who write make do with less:
// they send shorter parts, and wait for each.
const plenty = 64 << 20 / chunkSize

// chunks lends memory. The zero value is ready for use, concurrently.
type chunks struct {
	pool sync.Pool // of *[chunkSize]byte
	lent atomic.Int64
}

// buffer holds the content of a part, in memory that is lent.
type buffer struct {
	from  *chunks
	held  []*[chunkSize]byte
	bytes int64
}

func (c *chunks) buffer() *buffer { return &buffer{from: c} }

// scarce tells whether more is lent than plenty.
func (c *chunks) scarce() bool { return c.lent.Load() > plenty }

// Write appends. It never fails.
func (b *buffer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		at := int(b.bytes % chunkSize)
		if at == 0 {
			chunk, ok := b.from.pool.Get().(*[chunkSize]byte)
			if !ok {
				chunk = new([chunkSize]byte)
			}
			b.from.lent.Add(1)
			b.held = append(b.held, chunk)
		}
		k := copy(b.held[len(b.held)-1][at:], p)
		b.bytes += int64(k)
		p = p[k:]
	}
	return n, nil
}

// release gives the memory back. No body may be read any more.
func (b *buffer) release() {
	for _, chunk := range b.held {
		b.from.pool.Put(chunk)
	}
	b.from.lent.Add(-int64(len(b.held)))
	b.held, b.bytes = nil, 0
}

// body is the content from its beginning.
func (b *buffer) body() *body { return &body{buf: b} }

// body reads a buffer, as often as it is sent.
type body struct {
	buf *buffer
	off int64
}

var (
	_ io.ReadSeeker = (*body)(nil)
	_ io.WriterTo   = (*body)(nil)
)

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	next := b.next()
	if len(next) == 0 {
		return 0, io.EOF
	}
	n := copy(p, next)
	b.off += int64(n)
	return n, nil
}

// next is what lies in one piece at the offset.
func (b *body) next() []byte {
	if b.off >= b.buf.bytes {
		return nil
	}
	at := b.off % chunkSize
	return b.buf.held[b.off/chunkSize][at:min(chunkSize, at+b.buf.bytes-b.off)]
}

// WriteTo implements io.WriterTo.
func (b *body) WriteTo(w io.Writer) (written int64, err error) {
	for next := b.next(); len(next) > 0 && err == nil; next = b.next() {
		var n int
		n, err = w.Write(next)
		b.off += int64(n)
		written += int64(n)
	}
	return written, err
}

// Seek implements io.Seeker.
func (b *body) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.off
	case io.SeekEnd:
		offset += b.buf.bytes
	}
	if offset < 0 {
		return 0, errors.New("negative offset")
	}
	b.off = offset
	return offset, nil
}
