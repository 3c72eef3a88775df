package azblob

import "net/http"

// Transport is what reaches the service.
func (s *Store) Transport() *http.Transport { return s.transport }

// StagingSizes are the sizes of the blocks of an object of so many bytes, where
// no other is written at the same time, or many are.
func StagingSizes(total int64, crowded bool) (blocks int, largest int) {
	var b buffers
	if crowded {
		b.lent.Store(maxLarge)
	}
	for off := int64(0); off < total; blocks++ {
		size := b.size(off)
		off += int64(size)
		largest = max(largest, size)
	}
	return blocks, largest
}
