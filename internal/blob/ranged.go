package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// PartOpener is a Store that opens a part of an object by the one request that
// also brings the part's content. OpenReader makes use of it.
type PartOpener interface {
	// OpenPart opens an object like Open, to read n bytes from off on, of which
	// there must be at least one, in order. Other parts can be read too.
	OpenPart(ctx context.Context, key string, off, n int64) (Object, error)
}

// OpenReader opens an object to read a part of it; see NewReader.
func OpenReader(ctx context.Context, s Store, key string, size int64, sums []byte, off, n int64) (*Reader, error) {
	obj, err := openPart(ctx, s, key, size, off, n)
	if err != nil {
		return nil, err
	}
	return NewReader(obj, size, sums, off, n), nil
}

func openPart(ctx context.Context, s Store, key string, size, off, n int64) (Object, error) {
	opener, ok := s.(PartOpener)
	off, end := part(size, off, n)
	if !ok || off == end {
		return s.Open(ctx, key)
	}
	off -= off % PieceSize
	end = min((end+PieceSize-1)/PieceSize*PieceSize, size)
	return opener.OpenPart(ctx, key, off, end-off)
}

// part is what is to be read of an object.
func part(size, off, n int64) (start, end int64) {
	off = min(max(off, 0), size)
	if n < 0 || n > size-off {
		n = size - off
	}
	return off, off + n
}

// Ranges gives n bytes of an object from off on, and the size of the whole
// object. Canceling the context ends the body too.
type Ranges func(ctx context.Context, off, n int64) (body io.ReadCloser, size int64, err error)

// Ranged is an object of a store that is asked over a network. Reads that
// follow one another share one request, whose body is read as they go; a read
// elsewhere, or one at the same time, makes a request of its own.
//
// A body that breaks off or stalls is asked for again from there on. What fails
// for good is ErrUnavailable.
type Ranged struct {
	ctx  context.Context // of all requests
	get  Ranges
	size int64

	mu     sync.Mutex
	stream *stream // what is read in order; where its end is reached, its offset is that of the last read's end
}

var _ Object = (*Ranged)(nil)

// NewRanged makes an object of known size. The context is that of all reads.
func NewRanged(ctx context.Context, get Ranges, size int64) *Ranged {
	return &Ranged{ctx: ctx, get: get, size: size, stream: new(stream)}
}

// OpenRanged opens an object by the request for the first part to be read.
func OpenRanged(ctx context.Context, get Ranges, off, n int64) (*Ranged, error) {
	s := newStream(ctx, get, off, off+n)
	size, err := s.open()
	if err != nil {
		return nil, err
	}
	s.end = min(s.end, size)
	return &Ranged{ctx: ctx, get: get, size: size, stream: s}, nil
}

// Size implements Object.
func (r *Ranged) Size() int64 { return r.size }

// Close ends the request whose body is being read, if there is one.
func (r *Ranged) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stream.close()
	return nil
}

// ReadAt implements Object.
func (r *Ranged) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off >= r.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.size-off)]
	if n, err = r.read(want, off); err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (r *Ranged) read(p []byte, off int64) (int, error) {
	if !r.mu.TryLock() {
		return r.readAlone(p, off)
	}
	defer r.mu.Unlock()
	end := off + int64(len(p))
	switch s := r.stream; {
	case off == s.off && end <= s.end:
	case off == s.off: // a read that goes on where the last one ended: more will
		s.close()
		r.stream = newStream(r.ctx, r.get, off, r.size)
	case s.off == s.end:
		s.off, s.end = end, end
		return r.readAlone(p, off)
	default:
		return r.readAlone(p, off)
	}
	return io.ReadFull(r.stream, p)
}

func (r *Ranged) readAlone(p []byte, off int64) (int, error) {
	s := newStream(r.ctx, r.get, off, off+int64(len(p)))
	defer s.close()
	return io.ReadFull(s, p)
}

const (
	stall   = 10 * time.Second // without a byte, after which a body is given up
	retries = 3                // in a row without a byte between them
)

var errStalled = errors.New("no data for 10 seconds")

// stream reads a part of an object in order, with as many requests as it takes.
type stream struct {
	ctx      context.Context
	get      Ranges
	off, end int64
	body     io.ReadCloser // nil: not asked for
	cancel   context.CancelCauseFunc
	watch    *time.Timer // cancels while something is waited for
}

func newStream(ctx context.Context, get Ranges, off, end int64) *stream {
	return &stream{ctx: ctx, get: get, off: off, end: end}
}

// open asks for all that is left.
func (s *stream) open() (size int64, err error) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	s.cancel = cancel
	s.watch = time.AfterFunc(stall, func() { cancel(errStalled) })
	defer s.watch.Stop()
	if s.body, size, err = s.get(ctx, s.off, s.end-s.off); err != nil {
		s.close()
		return 0, s.unavailable(ctx, err)
	}
	return size, nil
}

// unavailable gives a failure its meaning if it was that nothing came.
func (s *stream) unavailable(ctx context.Context, err error) error {
	if context.Cause(ctx) == errStalled && s.ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, errStalled)
	}
	return err
}

func (s *stream) close() {
	if s.body != nil {
		s.body.Close()
		s.body = nil
	}
	if s.cancel != nil {
		s.cancel(nil)
		s.cancel = nil
	}
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if s.off >= s.end {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), s.end-s.off)]
	for failed := 0; ; failed++ {
		if s.body == nil {
			if _, err := s.open(); err != nil {
				return 0, err
			}
		}
		n, err := s.next(p)
		s.off += int64(n)
		if n > 0 {
			return n, nil
		}
		s.close()
		if s.ctx.Err() != nil {
			return 0, s.ctx.Err()
		}
		if failed == retries {
			return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// next reads from the body, which must not end yet.
func (s *stream) next(p []byte) (int, error) {
	s.watch.Reset(stall)
	defer s.watch.Stop()
	n, err := s.body.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
