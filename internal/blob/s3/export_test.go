package s3

// ChunkSize is the unit in which memory is lent, in bytes.
const ChunkSize = chunkSize

// Lent is how many chunks of memory are lent.
func (s *Store) Lent() int64 { return s.buffers.lent.Load() }
