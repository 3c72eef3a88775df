package blob_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/blobtest"
)

// crowd holds readers that have begun and stalled, more than there are large
// buffers, until the end of the test.
func crowd(t testing.TB, readers int) {
	t.Helper()
	content := blobtest.Content(1, 2*mib)
	sums, obj := sumsOf(content), stored(t, content)
	for range readers {
		r := blob.NewReader(noClose{obj}, 2*mib, sums, 0, -1)
		if _, err := r.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
	}
}

// TestCrowdedReader reads with small buffers: everything is as with large ones.
func TestCrowdedReader(t *testing.T) {
	crowd(t, 100)
	for name, test := range map[string]func(*testing.T){
		"ranges": TestReaderRanges, "damage": TestReaderDamage, "size": TestReaderWrongSize,
		"read fails": TestReaderReadFails, "write fails": TestReaderWriteFails, "closed": TestReaderClosed,
	} {
		t.Run(name, test)
	}
}

func TestCrowdTakesLittleMemory(t *testing.T) {
	const readers = 1000
	before := heap()
	crowd(t, readers)
	if grown := heap() - before; grown > 200*mib {
		t.Errorf("%d stalled readers take %d MiB", readers, grown/mib)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestCrowdedReaderChecksWhatItSends: with a small buffer a piece is read
// twice, and may be damaged between.
func TestCrowdedReaderChecksWhatItSends(t *testing.T) {
	crowd(t, 100)
	content := blobtest.Content(1, mib)
	obj := &fadingObject{Object: stored(t, content)}
	r := blob.NewReader(obj, mib, sumsOf(content), 0, -1)
	defer r.Close()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	obj.faded = true
	rest, err := io.ReadAll(r)
	if !errors.Is(err, blob.ErrDamaged) || len(rest) >= mib/2 || !bytes.Equal(rest, content[1:][:len(rest)]) {
		t.Errorf("%d bytes came out, %v", len(rest), err)
	}
}

type fadingObject struct {
	blob.Object
	faded bool
}

func (o *fadingObject) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.Object.ReadAt(p, off)
	if o.faded {
		p[0] ^= 1
	}
	return n, err
}

func TestLargeBuffersComeBack(t *testing.T) {
	var count, b blob.Buffers
	large := 0
	for len(*count.Take()) == mib {
		large++
	}
	for range 3 {
		var all []*[]byte
		for range large + 5 {
			all = append(all, b.Take())
		}
		if len(*all[large-1]) != mib || len(*all[large]) == mib || b.Larger(all[0]) != all[0] {
			t.Fatal("a large buffer is lost")
		}
		b.Put(all[0])
		if all[0] = b.Larger(all[large]); len(*all[0]) != mib {
			t.Error("a small buffer was not changed for a large one")
		}
		for i, buf := range all {
			if i != large {
				b.Put(buf)
			}
		}
	}
}
