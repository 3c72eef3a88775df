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

// take lends an empty buffer for the block at an offset of an object.
func (b *buffers) take(offset int64) []byte {
	size := b.size(offset)
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
