package remote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/orlop/orlop"
)

// maxBuffered is the largest content, in bytes, that is read into memory so
// that it can be sent again, where its reader cannot go back.
const maxBuffered = 1 << 20

// source is the content of an upload.
type source interface {
	// at returns the content from an offset on, if it can go there.
	at(off int64) (io.Reader, bool)
}

// newSource finds the best way to read content of a size again: from an
// io.ReaderAt or io.Seeker, from memory if it is small, or not at all.
func newSource(content io.Reader, size int64) (source, error) {
	if seeker, ok := content.(io.Seeker); ok {
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil {
			if ra, ok := content.(io.ReaderAt); ok {
				return section{ra, start, size}, nil
			}
			return seekable{content, seeker, start}, nil
		}
	}
	if size > maxBuffered {
		return &stream{r: content}, nil
	}
	raw := make([]byte, size)
	if _, err := io.ReadFull(content, raw); err != nil {
		return nil, short(err, size)
	}
	return chunk{raw: raw}, nil
}

// readSource reads all of a source, which can be read again afterwards.
func readSource(src source, size int64) ([]byte, error) {
	if c, ok := src.(chunk); ok {
		return c.raw, nil
	}
	r, ok := src.at(0)
	if !ok {
		return nil, errNoRewind
	}
	raw := make([]byte, size)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, short(err, size)
	}
	return raw, nil
}

// short is the error of content that has fewer bytes than it should.
func short(err error, size int64) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return orlop.ErrSizeInvalid.With(fmt.Sprintf("the content is shorter than its %d bytes", size))
	}
	return fmt.Errorf("read the content: %w", err)
}

type section struct {
	r           io.ReaderAt
	start, size int64
}

func (s section) at(off int64) (io.Reader, bool) {
	return io.NewSectionReader(s.r, s.start+off, s.size-off), true
}

type seekable struct {
	r      io.Reader
	seeker io.Seeker
	start  int64
}

func (s seekable) at(off int64) (io.Reader, bool) {
	_, err := s.seeker.Seek(s.start+off, io.SeekStart)
	return s.r, err == nil
}

// stream can only go on from where it is.
type stream struct {
	r   io.Reader
	pos int64
}

func (s *stream) at(off int64) (io.Reader, bool) { return s, off == s.pos }

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.pos += int64(n)
	return n, err
}

// chunk is a part of the content in memory.
type chunk struct {
	start int64
	raw   []byte
}

// end is the offset behind the chunk.
func (c chunk) end() int64 { return c.start + int64(len(c.raw)) }

func (c chunk) at(off int64) (io.Reader, bool) {
	if off < c.start || off > c.end() {
		return nil, false
	}
	return bytes.NewReader(c.raw[off-c.start:]), true
}

// errStopped is what a body reads as after its request has ended.
var errStopped = errors.New("the request has ended")

// sending is the body of one request: n bytes of a source. net/http may go on
// reading a body after the request has failed, so that stop must be called
// before the source is used again.
type sending struct {
	mu   sync.Mutex
	r    io.Reader
	left int64
	size int64 // of the whole content, for the message
	err  error // why the source failed, which is no error of the connection
	done bool
}

// Read implements io.Reader.
func (s *sending) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return 0, errStopped
	}
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	if err != nil && s.left > 0 {
		s.err = short(err, s.size)
		return n, s.err
	}
	if s.left == 0 {
		return n, io.EOF
	}
	return n, nil
}

// stop waits for a read in progress, prevents others, and returns the error of
// the source.
func (s *sending) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	return s.err
}
