package s3

// Lent is how many chunks of memory are lent.
func (s *Store) Lent() int64 { return s.buffers.lent.Load() }
