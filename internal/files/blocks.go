package files

import (
	"io"
	"sync"
)

// blockWriter compresses what is written to it, several blocks at once. One
// goroutine hashes and writes the results in order.
type blockWriter struct {
	codec   codec
	raw     io.Writer // is given the blocks before compression
	packed  io.Writer // is given the result
	fill    []byte    // the block that is not full yet
	before  []byte    // how the block before it ends
	spare   sync.Pool // of *[]byte, for blocks
	shorter sync.Pool // the same, for results

	queue   chan *packing // what is being compressed, in order
	writing sync.WaitGroup
	failed  chan struct{} // closed when err is set
	err     error
}

// packing is a block that is being compressed.
type packing struct {
	raw    []byte
	packed chan []byte
}

// newBlockWriter begins. Close must be called, after an error too.
func newBlockWriter(c codec, packed, raw io.Writer) *blockWriter {
	w := &blockWriter{
		codec: c, raw: io.MultiWriter(c, raw), packed: packed,
		queue: make(chan *packing, maxBlocks()), failed: make(chan struct{}),
	}
	w.spare.New = func() any { return new(make([]byte, 0, c.size())) } // growing would leave as much again behind
	w.shorter.New = func() any { return new([]byte) }
	w.fill = buffer(&w.spare)
	w.writing.Go(w.run)
	return w
}

func buffer(p *sync.Pool) []byte { return (*p.Get().(*[]byte))[:0] }

// Write implements io.Writer.
func (w *blockWriter) Write(p []byte) (int, error) {
	size, n := w.codec.size(), 0
	for n < len(p) {
		part := p[n:min(len(p), n+size-len(w.fill))]
		w.fill = append(w.fill, part...)
		n += len(part)
		if len(w.fill) == size {
			if err := w.submit(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// submit has the block compressed and begins the next. It waits while as many
// are under way as may be.
func (w *blockWriter) submit() error {
	b := &packing{raw: w.fill, packed: make(chan []byte, 1)}
	before := w.before
	w.before = append([]byte(nil), b.raw[max(0, len(b.raw)-gzipWindow):]...)
	w.fill = buffer(&w.spare)
	select {
	case w.queue <- b:
	case <-w.failed:
		return w.err
	}
	go func() { b.packed <- w.codec.block(buffer(&w.shorter), b.raw, before) }()
	return nil
}

// run writes the results. After an error it drops those that are to come.
func (w *blockWriter) run() {
	w.write(w.packed, w.codec.begin())
	for b := range w.queue {
		w.write(w.raw, b.raw)
		packed := <-b.packed
		w.spare.Put(&b.raw)
		w.write(w.packed, packed) // which may wait for the network
		w.shorter.Put(&packed)
	}
}

func (w *blockWriter) write(to io.Writer, p []byte) {
	if w.err != nil || len(p) == 0 {
		return
	}
	if _, err := to.Write(p); err != nil {
		w.err = err
		close(w.failed)
	}
}

// Close ends the stream and waits until all of it has been written.
func (w *blockWriter) Close() error {
	if len(w.fill) > 0 {
		w.submit() // an error is w.err
	}
	close(w.queue)
	w.writing.Wait()
	w.write(w.packed, w.codec.end())
	return w.err
}
