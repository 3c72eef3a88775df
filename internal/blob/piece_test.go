package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/blob/fs"
	"github.com/orlop/orlop/internal/blob/mem"
)

// open stores content and opens it.
func open(t testing.TB, s blob.Store, content []byte) blob.Object {
	t.Helper()
	w, err := s.Create(context.Background(), "key")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	obj, err := s.Open(context.Background(), "key")
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func stored(t testing.TB, content []byte) blob.Object {
	t.Helper()
	return open(t, mem.New(mem.Options{}), content)
}

const mib = blob.PieceSize

// ranges of an object of three pieces and a bit.
var ranges = []struct{ off, n, want int64 }{
	{0, -1, 3*mib + 9},
	{0, 3*mib + 9, 3*mib + 9},
	{0, 1 << 40, 3*mib + 9},
	{0, 0, 0},
	{0, 1, 1},
	{mib - 1, 2, 2},
	{mib, mib, mib},
	{1, 3 * mib, 3 * mib},
	{3*mib + 8, 5, 1},
	{3*mib + 9, 5, 0},
	{3*mib + 10, -1, 0},
}

func TestReaderRanges(t *testing.T) {
	content := blobtest.Content(1, 3*mib+9)
	for _, r := range ranges {
		want := content[min(r.off, int64(len(content))):][:r.want]
		for name, read := range map[string]func(io.Reader) ([]byte, error){
			"WriteTo": func(r io.Reader) ([]byte, error) {
				var b bytes.Buffer
				n, err := io.Copy(&b, r)
				if err == nil && n != int64(b.Len()) {
					err = fmt.Errorf("counted %d bytes of %d", n, b.Len())
				}
				return b.Bytes(), err
			},
			"Read":      io.ReadAll,
			"ReadSmall": func(r io.Reader) ([]byte, error) { return io.ReadAll(iotest.HalfReader(r)) },
			"ReadThenWriteTo": func(r io.Reader) ([]byte, error) {
				head := make([]byte, 1)
				n, err := r.Read(head)
				if err != nil {
					return nil, ignoreEOF(err)
				}
				b := bytes.NewBuffer(head[:n])
				_, err = io.Copy(b, r)
				return b.Bytes(), err
			},
		} {
			reader := blob.NewReader(stored(t, content), int64(len(content)), sumsOf(content), r.off, r.n)
			got, err := read(reader)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s %d+%d: %d bytes, %v, want %d", name, r.off, r.n, len(got), err, len(want))
			}
			if err := reader.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// TestReaderWritesPieces checks that a piece costs one read and one write.
func TestReaderWritesPieces(t *testing.T) {
	content := blobtest.Content(1, 3*mib+9)
	obj := &countingObject{Object: stored(t, content)}
	r := blob.NewReader(obj, int64(len(content)), sumsOf(content), 5, -1)
	defer r.Close()
	var w countingWriter
	if _, err := io.Copy(&w, r); err != nil {
		t.Fatal(err)
	}
	if obj.reads != 4 || w.writes != 4 {
		t.Errorf("%d reads, %d writes, want 4", obj.reads, w.writes)
	}
}

type countingObject struct {
	blob.Object
	reads int
}

func (o *countingObject) ReadAt(p []byte, off int64) (int, error) {
	o.reads++
	return o.Object.ReadAt(p, off)
}

type countingWriter struct{ writes int }

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return len(p), nil
}

// TestReaderDamage flips a bit in each piece in turn: everything before the
// piece comes out, nothing of it, and a range beside it is served.
func TestReaderDamage(t *testing.T) {
	content := blobtest.Content(1, 3*mib+9)
	sums := sumsOf(content)
	for piece := range 4 {
		damaged := bytes.Clone(content)
		damaged[min((piece+1)*mib, len(content))-1] ^= 1
		start := int64(piece * mib)

		got, err := readRange(damaged, t, sums, 0, -1)
		wantDamage(t, err, piece)
		if !bytes.Equal(got, content[:start]) {
			t.Errorf("piece %d damaged: %d bytes came out", piece, len(got))
		}
		got, err = readRange(damaged, t, sums, start+2, 3)
		wantDamage(t, err, piece)
		if len(got) > 0 {
			t.Errorf("a range in damaged piece %d gave %d bytes", piece, len(got))
		}
		other := int64((piece + 1) % 4 * mib)
		if got, err = readRange(damaged, t, sums, other, 9); err != nil || !bytes.Equal(got, content[other:][:9]) {
			t.Errorf("a range beside damaged piece %d: %d bytes, %v", piece, len(got), err)
		}
	}
}

func readRange(content []byte, t *testing.T, sums []byte, off, n int64) ([]byte, error) {
	t.Helper()
	r := blob.NewReader(stored(t, content), int64(len(content)), sums, off, n)
	defer r.Close()
	var b bytes.Buffer
	_, err := r.WriteTo(&b)
	if _, again := r.Read(make([]byte, 1)); err != nil && again != err {
		t.Errorf("after %v the next read gives %v", err, again)
	}
	return b.Bytes(), err
}

func wantDamage(t *testing.T, err error, piece int) {
	t.Helper()
	damage, ok := errors.AsType[*blob.DamageError](err)
	if !ok || damage.Piece != piece || !errors.Is(err, blob.ErrDamaged) {
		t.Errorf("%v, want damage in piece %d", err, piece)
	}
}

func TestReaderWrongSize(t *testing.T) {
	content := blobtest.Content(1, mib+9)
	sums := sumsOf(content)
	for name, r := range map[string]*blob.Reader{
		"short":      blob.NewReader(stored(t, content[:mib+8]), mib+9, sums, 0, 1),
		"empty":      blob.NewReader(stored(t, nil), mib+9, sums, 0, -1),
		"long":       blob.NewReader(stored(t, append(bytes.Clone(content), 0)), mib+9, sums, 0, 1),
		"sums less":  blob.NewReader(stored(t, content), mib+9, sums[:4], 0, 1),
		"sums more":  blob.NewReader(stored(t, content), mib+9, append(bytes.Clone(sums), 1, 2, 3, 4), 0, 1),
		"sums odd":   blob.NewReader(stored(t, content), mib+9, sums[:7], 0, 1),
		"sums empty": blob.NewReader(stored(t, content), mib+9, nil, 0, 1),
	} {
		if n, err := io.Copy(io.Discard, r); n > 0 || !errors.Is(err, blob.ErrDamaged) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
		r.Close()
	}
}

// brokenObject fails to read, or reads less than it says.
type brokenObject struct {
	blob.Object
	err error
}

func (o brokenObject) ReadAt(p []byte, off int64) (int, error) { return len(p) / 2, o.err }

func TestReaderReadFails(t *testing.T) {
	content := blobtest.Content(1, 10)
	broken := errors.New("broken")
	for cause, want := range map[error]error{broken: broken, io.EOF: io.ErrUnexpectedEOF, nil: io.ErrUnexpectedEOF} {
		r := blob.NewReader(brokenObject{stored(t, content), cause}, 10, sumsOf(content), 0, -1)
		_, err := io.Copy(io.Discard, r)
		wantDamage(t, err, 0)
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		r.Close()
	}
}

// TestReaderWriteFails tells a failed writer from damage, and goes on after it.
func TestReaderWriteFails(t *testing.T) {
	content := blobtest.Content(1, 2*mib)
	r := blob.NewReader(stored(t, content), 2*mib, sumsOf(content), 0, -1)
	defer r.Close()
	var b bytes.Buffer
	n, err := r.WriteTo(&shortWriter{&b, mib + 7})
	if n != mib+7 || !errors.Is(err, errShort) || errors.Is(err, blob.ErrDamaged) {
		t.Errorf("wrote %d bytes, %v", n, err)
	}
	if _, err := r.WriteTo(&b); err != nil || !bytes.Equal(b.Bytes(), content) {
		t.Errorf("went on to %d bytes, %v", b.Len(), err)
	}
}

var errShort = errors.New("connection reset")

type shortWriter struct {
	w    io.Writer
	left int
}

func (w *shortWriter) Write(p []byte) (int, error) {
	if len(p) <= w.left {
		w.left -= len(p)
		return w.w.Write(p)
	}
	n, _ := w.w.Write(p[:w.left])
	return n, errShort
}

func TestReaderClosed(t *testing.T) {
	content := blobtest.Content(1, 10)
	r := blob.NewReader(stored(t, content), 10, sumsOf(content), 0, -1)
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if n, err := r.Read(make([]byte, 1)); n > 0 || err == nil || err == io.EOF {
		t.Errorf("read after close: %d, %v", n, err)
	}
}

func BenchmarkReader(b *testing.B) { benchmarkReader(b) }

// BenchmarkCrowdedReader reads with small buffers.
func BenchmarkCrowdedReader(b *testing.B) {
	crowd(b, 100)
	benchmarkReader(b)
}

func benchmarkReader(b *testing.B) {
	const size = 64 << 20
	s, err := fs.Open(b.TempDir(), fs.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	content := blobtest.Content(1, size)
	sums := sumsOf(content)
	obj := open(b, s, content)
	b.Run("WriteTo", func(b *testing.B) {
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			r := blob.NewReader(noClose{obj}, size, sums, 0, -1)
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
	b.Run("Small", func(b *testing.B) {
		b.SetBytes(1000)
		b.ReportAllocs()
		for b.Loop() {
			r := blob.NewReader(noClose{obj}, size, sums, 5000, 1000)
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
	obj.Close()
}

type noClose struct{ blob.Object }

func (noClose) Close() error { return nil }
