package blob

import (
	"sync"
	"sync/atomic"
)

// A whole piece at a time is the fastest way to move content. But a client that
// stalls keeps its buffer until it is cut, and there may be many of them.
const (
	chunkSize = 64 << 10 // of a small buffer, in bytes; PieceSize is a multiple
	maxLarge  = 32       // buffers of a whole piece that are lent at a time
)

// Buffers lends buffers for moving content: PieceSize bytes to maxLarge
// borrowers, 64 KiB to those who come when all of these are taken. So the
// memory of a thousand stalled transfers is that of a hundred. The zero value is
// ready for use, concurrently.
type Buffers struct {
	large, small sync.Pool // of *[]byte
	lent         atomic.Int32
}

// Take lends a large buffer if there is one to be had, else a small one.
func (b *Buffers) Take() *[]byte {
	if b.lent.Add(1) <= maxLarge {
		return take(&b.large, PieceSize)
	}
	b.lent.Add(-1)
	return b.Small()
}

// Large lends a large buffer, however many are lent already.
func (b *Buffers) Large() *[]byte {
	b.lent.Add(1)
	return take(&b.large, PieceSize)
}

// Small lends a small buffer.
func (b *Buffers) Small() *[]byte { return take(&b.small, chunkSize) }

func take(pool *sync.Pool, size int) *[]byte {
	if buf, ok := pool.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, size)
	return &buf
}

// Put takes a buffer back.
func (b *Buffers) Put(buf *[]byte) {
	if len(*buf) < PieceSize {
		b.small.Put(buf)
		return
	}
	b.large.Put(buf)
	b.lent.Add(-1)
}

// Larger changes a small buffer for a large one if that is to be had. What it
// holds is lost.
func (b *Buffers) Larger(buf *[]byte) *[]byte {
	if len(*buf) == PieceSize {
		return buf
	}
	b.Put(buf)
	return b.Take()
}
