package files

import (
	"io"
	"sync"
)

// readAhead reads one piece of src while another is used.
type readAhead struct {
	pieces  chan piece
	stop    chan struct{}
	reading sync.WaitGroup
	err     error // that src ended with, when pieces is closed

	current piece
	used    int // of the current piece
}

// newReadAhead reads src, and closes closer at the end. The caller closes it.
func newReadAhead(src io.Reader, closer io.Closer) *readAhead {
	r := &readAhead{pieces: make(chan piece, 4), stop: make(chan struct{})}
	r.reading.Go(func() {
		defer closer.Close()
		defer close(r.pieces)
		for r.err == nil && r.piece(src) {
		}
	})
	return r
}

// piece reads a piece and passes it on. It reports whether more is wanted.
func (r *readAhead) piece(src io.Reader) bool {
	buf := buffers.Get().(*[bufferSize]byte)
	n := 0
	for n < len(buf) && r.err == nil {
		var k int
		k, r.err = src.Read(buf[n:])
		n += k
	}
	select {
	case r.pieces <- piece{buf, n}:
		return true
	case <-r.stop:
		buffers.Put(buf)
		return false
	}
}

// Read implements io.Reader.
func (r *readAhead) Read(p []byte) (int, error) {
	for r.used == r.current.n {
		if r.current.buf != nil {
			buffers.Put(r.current.buf)
		}
		var ok bool
		r.current, ok = <-r.pieces
		if r.used = 0; !ok {
			return 0, r.err
		}
	}
	n := copy(p, r.current.buf[r.used:r.current.n])
	r.used += n
	return n, nil
}

// Close stops reading.
func (r *readAhead) Close() error {
	close(r.stop)
	r.reading.Wait()
	return nil
}
