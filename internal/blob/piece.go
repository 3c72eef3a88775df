package blob

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// PieceSize is the unit of verification, in bytes: each piece of an object has
// its own checksum. A read of any part of a piece reads and checks all of it.
const PieceSize = 1 << 20

// sumSize is the size of a piece's checksum: CRC-32C, big-endian.
const sumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// buffers are those of all Readers.
var buffers Buffers

// ErrDamaged is matched by every DamageError.
var ErrDamaged = errors.New("stored content is damaged")

// errSum, errSize and errSums are the causes of damage other than a failed read.
var (
	errSum  = errors.New("checksum does not match")
	errSize = errors.New("size does not match")
	errSums = errors.New("number of checksums does not match the size")
)

// DamageError reports stored content that cannot be served as good. It matches
// ErrDamaged and its cause.
type DamageError struct {
	Piece int   // number of the piece, from 0
	Err   error // the cause
}

// Error describes the damage.
func (e *DamageError) Error() string {
	return fmt.Sprintf("stored content is damaged in piece %d: %v", e.Piece, e.Err)
}

// Is makes the error match ErrDamaged.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// Unwrap gives the cause.
func (e *DamageError) Unwrap() error { return e.Err }

// Reader reads part of an object and gives out only bytes of pieces whose
// checksum it has found right. io.Copy uses its WriteTo, which takes one read
// and one write a piece; where so many read that buffers are short, it takes
// two reads and many writes. It is not safe for concurrent use.
//
// A wrong checksum, an object of the wrong size and a failed read are a
// *DamageError; a store that is unavailable and a canceled context are not.
type Reader struct {
	obj      Object
	size     int64
	sums     []byte
	off, end int64 // what is still to be read

	buf        *[]byte
	start, lim int64      // the part of the object that buf holds, verified
	chunks     *chunkSums // of the piece being read, with a small buffer
	err        error      // sticky
}

// NewReader reads n bytes of an object from off on, fewer if it ends before,
// all the rest if n is negative. The size and the sums are what a Digester
// found when the object was written. Closing the Reader closes the object.
func NewReader(obj Object, size int64, sums []byte, off, n int64) *Reader {
	off, end := part(size, off, n)
	r := &Reader{obj: obj, size: size, sums: sums, off: off, end: end}
	pieces := (size + PieceSize - 1) / PieceSize
	switch {
	case obj.Size() != size:
		r.err = r.damage(errSize)
	case int64(len(sums)) != pieces*sumSize:
		r.err = r.damage(errSums)
	}
	return r
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	chunk, err := r.next()
	if err != nil {
		return 0, err
	}
	n := copy(p, chunk)
	r.off += int64(n)
	return n, nil
}

// WriteTo implements io.WriterTo. Nothing of a damaged piece is written.
func (r *Reader) WriteTo(w io.Writer) (written int64, err error) {
	for {
		chunk, err := r.next()
		if err == io.EOF {
			return written, nil
		}
		if err != nil {
			return written, err
		}
		n, err := w.Write(chunk)
		written += int64(n)
		r.off += int64(n)
		if err == nil && n < len(chunk) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return written, err
		}
	}
}

// Close closes the object.
func (r *Reader) Close() error {
	if r.buf != nil {
		buffers.Put(r.buf)
		r.buf = nil
	}
	if r.err == nil || r.err == io.EOF {
		r.err = errClosed
	}
	return r.obj.Close()
}

var errClosed = errors.New("reader is closed")

// next gives the verified bytes from off on, up to the end of their piece or
// of what is to be read. They are good until the next call.
func (r *Reader) next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.off >= r.end {
		return nil, io.EOF
	}
	if r.off < r.start || r.off >= r.lim {
		if r.err = r.load(); r.err != nil {
			return nil, r.err
		}
	}
	return (*r.buf)[r.off-r.start : min(r.end, r.lim)-r.start], nil
}

// load reads and checks the piece at off, or, with a small buffer, the chunk
// at off and before it its piece.
func (r *Reader) load() error {
	piece := r.off / PieceSize
	switch {
	case r.buf == nil && r.inOrder():
		r.buf = buffers.Large()
	case r.buf == nil:
		r.buf = buffers.Take()
	case r.chunks == nil || r.chunks.piece != piece:
		r.buf = buffers.Larger(r.buf)
	}
	if len(*r.buf) < PieceSize {
		return r.loadChunk(piece)
	}
	b, err := r.read(piece*PieceSize, PieceSize)
	if err == nil && crc32.Checksum(b, castagnoli) != r.sum(piece) {
		err = r.damage(errSum)
	}
	return err
}

// inOrder tells whether reading a piece twice, as a small buffer needs it, would
// cost requests.
func (r *Reader) inOrder() bool {
	_, ok := r.obj.(*Ranged)
	return ok
}

// read fills the buffer with n bytes from off on, fewer if the object ends
// before.
func (r *Reader) read(off, n int64) ([]byte, error) {
	r.start, r.lim = off, min(off+n, r.size)
	b := (*r.buf)[:r.lim-r.start]
	if n, err := r.obj.ReadAt(b, r.start); n < len(b) {
		switch {
		case errors.Is(err, ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			return nil, err
		case err == nil, err == io.EOF:
			err = io.ErrUnexpectedEOF
		}
		return nil, r.damage(err)
	}
	return b, nil
}

// sum is the checksum of a piece.
func (r *Reader) sum(piece int64) uint32 {
	return binary.BigEndian.Uint32(r.sums[piece*sumSize:])
}

// chunkSums are the checksums of the chunks of a piece that was found right, so
// that a chunk read again is known to be the same.
type chunkSums struct {
	piece int64
	sums  [PieceSize / chunkSize]uint32
}

// loadChunk reads and checks the chunk at off.
func (r *Reader) loadChunk(piece int64) error {
	if r.chunks == nil || r.chunks.piece != piece {
		if err := r.sumChunks(piece); err != nil {
			return err
		}
	}
	chunk := r.off / chunkSize
	b, err := r.read(chunk*chunkSize, chunkSize)
	if err == nil && crc32.Checksum(b, castagnoli) != r.chunks.sums[chunk%int64(len(r.chunks.sums))] {
		err = r.damage(errSum)
	}
	return err
}

// sumChunks reads and checks a piece and sums its chunks.
func (r *Reader) sumChunks(piece int64) error {
	found := &chunkSums{piece: piece}
	sum := uint32(0)
	for i := range found.sums {
		off := piece*PieceSize + int64(i)*chunkSize
		if off >= r.size {
			break
		}
		b, err := r.read(off, chunkSize)
		if err != nil {
			return err
		}
		found.sums[i] = crc32.Checksum(b, castagnoli)
		sum = crc32.Update(sum, castagnoli, b)
	}
	if sum != r.sum(piece) {
		return r.damage(errSum)
	}
	r.chunks = found
	return nil
}

func (r *Reader) damage(cause error) error {
	return &DamageError{Piece: int(r.off / PieceSize), Err: cause}
}
