package remote

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

const (
	// maxChunk is the largest chunk, in bytes, that a registry may ask for.
	maxChunk = 256 << 20
	// eagerChunk is how much, in bytes, is sent although the chunk is not full,
	// where otherwise nothing would be on its way.
	eagerChunk = 4 << 20
	// smallChunk is how large a chunk's buffer is until it must be larger.
	smallChunk = 64 << 10
)

func newBlobWriter(ctx context.Context, s *session) (*blobWriter, error) {
	size := max(int64(s.r.o.ChunkSize), s.chunkMin)
	if size > maxChunk {
		return nil, orlop.ErrUnsupported.With(fmt.Sprintf("the registry asks for chunks of %d bytes", size))
	}
	w := &blobWriter{s: s, size: int(size), chunk: chunk{start: s.offset}}
	w.eager = int(min(size, max(eagerChunk, s.chunkMin)))
	w.ctx, w.stop = context.WithCancel(ctx)
	return w, nil
}

// blobWriter is a resumable upload. While one chunk is sent, by a goroutine of
// its own that alone uses the session then, the next is written.
type blobWriter struct {
	ctx   context.Context // of Upload: io.Writer has no place for one
	stop  context.CancelFunc
	s     *session
	size  int        // of a chunk at most, in bytes
	eager int        // of a chunk that is sent if no other is
	chunk chunk      // what was written and not sent
	spare []byte     // the buffer of the chunk before
	busy  chan error // gives how the sending of the chunk before has ended; nil: none is sent
	err   error      // after it, nothing more is sent
}

var errUploadOver = errors.New("the upload is over")

// Write implements io.Writer.
func (w *blobWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		part := p[:min(len(p), w.bound()-len(w.chunk.raw))]
		w.grow(len(part))
		w.chunk.raw = append(w.chunk.raw, part...)
		p = p[len(part):]
		n += len(part)
		w.err = w.proceed()
	}
	return n, w.err
}

// bound is where the chunk stops to look whether it is time to send it.
func (w *blobWriter) bound() int {
	if len(w.chunk.raw) < w.eager {
		return w.eager
	}
	return w.size
}

// grow makes room in the chunk's buffer. A buffer that must be large is made as
// large as it may become at once, which costs only what is written to: growing
// step by step would leave as much again behind.
func (w *blobWriter) grow(n int) {
	if n += len(w.chunk.raw); n > smallChunk && n > cap(w.chunk.raw) {
		w.chunk.raw = append(make([]byte, 0, w.size), w.chunk.raw...)
	}
}

// proceed begins to send the chunk if it is time to, and tells what has become
// of the one before.
func (w *blobWriter) proceed() error {
	if len(w.chunk.raw) == w.size {
		if err := w.wait(); err != nil {
			return err
		}
	}
	select {
	case err := <-w.busy:
		w.busy = nil
		if err != nil {
			return err
		}
	default:
	}
	if w.busy == nil && len(w.chunk.raw) >= w.eager {
		w.send()
	}
	return nil
}

// wait waits until no chunk is being sent, and tells how that of the last has
// ended. w.ctx ends it too.
func (w *blobWriter) wait() error {
	if w.busy == nil {
		return nil
	}
	err := <-w.busy
	w.busy = nil
	return err
}

// send begins to send the chunk. No other is being sent.
func (w *blobWriter) send() {
	c, busy := w.chunk, make(chan error, 1)
	go func() { busy <- w.flush(c) }()
	w.chunk = chunk{start: c.end(), raw: w.spare[:0]}
	w.spare, w.busy = c.raw, busy
}

func (w *blobWriter) flush(c chunk) error {
	if err := w.s.upload(w.ctx, c, c.end(), ""); err != nil {
		return fmt.Errorf("upload to %s: %w", w.s.repo, err)
	}
	return nil
}

// ID implements orlop.BlobWriter.
func (w *blobWriter) ID() string {
	w.err = check(w.err, w.wait())
	return w.s.id()
}

// Offset implements orlop.BlobWriter.
func (w *blobWriter) Offset() int64 { return w.chunk.end() }

// Commit implements orlop.BlobWriter.
func (w *blobWriter) Commit(ctx context.Context, dgst digest.Digest) (orlop.Descriptor, error) {
	if err := check(w.err, orlop.ValidateDigest(dgst)); err != nil {
		return orlop.Descriptor{}, err
	}
	defer context.AfterFunc(ctx, w.stop)()
	if w.err = w.wait(); w.err != nil {
		return orlop.Descriptor{}, w.err
	}
	desc := orlop.Descriptor{MediaType: octetStream, Digest: dgst, Size: w.Offset()}
	if err := w.s.upload(ctx, w.chunk, desc.Size, dgst); err != nil {
		return orlop.Descriptor{}, fmt.Errorf("commit blob %s: %w", dgst, err)
	}
	w.end()
	return desc, nil
}

// Cancel implements orlop.BlobWriter.
func (w *blobWriter) Cancel(ctx context.Context) error {
	if errors.Is(w.err, errUploadOver) {
		return nil
	}
	w.end()
	return w.s.cancel(ctx)
}

// Close implements orlop.BlobWriter.
func (w *blobWriter) Close() error {
	if errors.Is(w.err, errUploadOver) {
		return nil
	}
	err := check(w.err, w.wait())
	if err == nil {
		err = w.flush(w.chunk)
	}
	w.end()
	return err
}

// end stops what is being sent, and drops what was not.
func (w *blobWriter) end() {
	w.stop()
	_ = w.wait() // stopped
	w.err, w.spare = errUploadOver, nil
	w.chunk = chunk{start: w.Offset()}
}
