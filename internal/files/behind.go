package files

import (
	"context"
	"io"
	"sync"
)

// copyBehind is copyBuffer that writes one piece while it reads the next, so
// that the network, hashing and the disk do not wait for each other. When it
// returns, all that it counts has been written.
func copyBehind(ctx context.Context, dst io.Writer, src io.Reader) (int64, error) {
	w := writer{dst: dst, pieces: make(chan piece, 2), failed: make(chan struct{})}
	var writing sync.WaitGroup
	writing.Go(w.run)
	err := w.readFrom(contextReader{ctx, src})
	close(w.pieces)
	writing.Wait()
	if w.err != nil {
		return w.n, w.err
	}
	return w.n, err
}

// piece is a buffer and how much of it is to be written.
type piece struct {
	buf *[bufferSize]byte
	n   int
}

type writer struct {
	dst    io.Writer
	pieces chan piece
	failed chan struct{} // closed when err is set

	n   int64 // bytes written
	err error
}

// run writes the pieces. After an error it drops those that are still to come.
func (w *writer) run() {
	for p := range w.pieces {
		if w.err == nil {
			w.write(p.buf[:p.n])
		}
		buffers.Put(p.buf)
	}
}

func (w *writer) write(p []byte) {
	n, err := w.dst.Write(p)
	w.n += int64(n)
	if err != nil {
		w.err = err
		close(w.failed)
	}
}

// readFrom reads pieces until the end of src, or until writing has failed.
func (w *writer) readFrom(src io.Reader) error {
	for {
		buf := buffers.Get().(*[bufferSize]byte)
		n, err := src.Read(buf[:])
		select {
		case w.pieces <- piece{buf, n}:
		case <-w.failed:
			return nil
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
