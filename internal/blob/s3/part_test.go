package s3

import (
	"bytes"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

// TestReach: 10,000 parts hold 5 TiB, which is the largest object there is, and
// half of that where an upload is synced as often as it may be.
func TestReach(t *testing.T) {
	full, short := int64(0), int64(0)
	for n := 1; n <= maxParts; n++ {
		full += partSize(n)
		short += shortPart(n)
		if shortPart(n) < minPart || shortPart(n) > partSize(n) || n > 1 && partSize(n) < partSize(n-1) {
			t.Fatalf("part %d: %d or %d bytes", n, partSize(n), shortPart(n))
		}
	}
	if full < 5<<40 || short < 5<<39 {
		t.Errorf("parts hold %d GiB, short ones %d GiB", full>>30, short>>30)
	}
	if hundred := partSize(4400); hundred > 80<<20 {
		t.Errorf("parts of %d MiB for 100 GiB", hundred>>20)
	}
}

func TestBuffer(t *testing.T) {
	var c chunks
	want := bytes.Repeat([]byte("0123456789abcdefghijk"), 40_000) // three chunks and a bit
	b := c.buffer()
	for piece := range slices.Chunk(want, 100_003) {
		_, _ = b.Write(piece)
	}
	for range 2 { // it is sent as often as needed
		if err := iotest.TestReader(b.body(), want); err != nil {
			t.Error(err)
		}
	}
	var got bytes.Buffer
	if n, err := io.Copy(&got, b.body()); err != nil || n != b.bytes || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("copied %d bytes, %v", n, err)
	}
	if c.lent.Load() != 4 {
		t.Errorf("%d chunks for %d bytes", c.lent.Load(), len(want))
	}
	b.release()
	if c.lent.Load() != 0 || b.bytes != 0 {
		t.Errorf("%d chunks are lent after the release", c.lent.Load())
	}
}

func TestNames(t *testing.T) {
	for _, prefix := range []string{"", "some/where/"} {
		s := &Store{prefix: prefix}
		last := ""
		for _, key := range []string{"-", "-a", "0", "00", "00-", "000", "a", "a-", "a-b", "a0", "zz-9"} {
			name := s.name(key)
			if name <= last {
				t.Errorf("%q comes before %q", name, last)
			}
			tail := s.tailName(key, "1f")
			if tail <= name {
				t.Errorf("the tail %q comes before %q", tail, name)
			}
			last = tail
			if k, id, ok := s.keyOf(name); k != key || id != "" || !ok {
				t.Errorf("%q is of %q, %q, %v", name, k, id, ok)
			}
			if k, id, ok := s.keyOf(tail); k != key || id != "1f" || !ok {
				t.Errorf("%q is of %q, %q, %v", tail, k, id, ok)
			}
		}
		for _, other := range []string{"", prefix, prefix + "ab", prefix + "ab/", prefix + "ab/cd", prefix + "ab/AB", prefix + "ab/ab/c", "x" + prefix + "ab/ab"} {
			if key, _, ok := s.keyOf(other); ok {
				t.Errorf("%q is taken for %q", other, key)
			}
		}
	}
}
