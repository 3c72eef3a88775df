package azblob

import (
	"sync"
	"sync/atomic"
)

// Blocks are of 4 MiB: few requests, and a failed one costs little. Those of a
// large object are a ten-thousandth of what there is of it already, which takes
// 50,000 blocks to two TiB. Where many write at once blocks are smaller, so
// that those who have stalled keep less memory.
const (
	largeBlock = 4 << 20
	smallBlock = 256 << 10
	maxLarge   = 48     // buffers of large blocks that are lent at a time
	share      = 10_000 // of an object's size
)

// buffers lends memory for blocks.
type buffers struct {
	large sync.Pool // of *[largeBlock]byte
	lent  atomic.Int32
}

// take lends an empty buffer for the block at an offset of an object.
func (b *buffers) take(offset int64) []byte {
	need := int(offset / share)
	if b.lent.Add(1) > maxLarge {
		b.lent.Add(-1)
		return make([]byte, 0, max(smallBlock, min(need, largeBlock-1)))
	}
	if need > largeBlock {
		return make([]byte, 0, need)
	}
	if buf, ok := b.large.Get().(*[largeBlock]byte); ok {
		return buf[:0]
	}
	return make([]byte, 0, largeBlock)
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
