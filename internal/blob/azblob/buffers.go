package azblob

import (
	"sync"
	"sync/atomic"
)

// Blocks are of 4 MiB: few requests, and a failed one costs little. Where many
// write at once they are smaller, so that those who have stalled keep less
// memory. Those of a large object are a five-thousandth of what there is of it
// already, so that 50,000 blocks are enough for two TiB.
const (
	largeBlock = 4 << 20
	smallBlock = 256 << 10
	maxLarge   = 48    // buffers of large blocks that are lent at a time
	share      = 5_000 // of an object's size
)

// buffers lends memory for blocks.
type buffers struct {
	large sync.Pool // of *[largeBlock]byte
	lent  atomic.Int32
}

// grow gives a buffer for a block room for need bytes, of the size that the
// block is to have at most. What fits into a small one gets that.
func (b *buffers) grow(buf []byte, need, size int) []byte {
	if need <= cap(buf) {
		return buf
	}
	if need <= smallBlock {
		size = smallBlock
	}
	grown := append(b.take(size), buf...)
	b.put(buf, true)
	return grown
}

// take lends an empty buffer.
func (b *buffers) take(size int) []byte {
	if size < largeBlock {
		return make([]byte, 0, size)
	}
	b.lent.Add(1)
	if size == largeBlock {
		if buf, ok := b.large.Get().(*[largeBlock]byte); ok {
			return buf[:0]
		}
	}
	return make([]byte, 0, size)
}

// size is how large the block at an offset is.
func (b *buffers) size(offset int64) int {
	size := int(offset / share)
	if b.lent.Load() < maxLarge {
		return max(largeBlock, size)
	}
	return max(smallBlock, size)
}

// put takes a buffer back. One that may still be read is not lent again.
func (b *buffers) put(buf []byte, free bool) {
	if cap(buf) < largeBlock {
		return
	}
	b.lent.Add(-1)
	if free && cap(buf) == largeBlock {
		b.large.Put((*[largeBlock]byte)(buf[:largeBlock]))
	}
}
