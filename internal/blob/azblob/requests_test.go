package azblob_test

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/azblob"
	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/testenv/aztest"
)

// TestRequests counts what is paid for.
func TestRequests(t *testing.T) {
	p, c := behind(t, aztest.New(t))
	s := open(t, options(c))
	want := func(what string, requests ...string) {
		t.Helper()
		if got := p.requests(); !slices.Equal(got, requests) {
			t.Errorf("%s: %v, want %v", what, got, requests)
		}
		p.set(nil)
	}
	blobtest.Put(t, s, "small", blobtest.Content(1, 3<<20))
	want("put of one block", "PUT")

	content := blobtest.Content(2, 10<<20)
	d, err := blob.NewDigester()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = d.Write(content)
	blobtest.Put(t, s, "large", content)
	want("put of three blocks", "PUT block", "PUT block", "PUT block", "PUT blocklist")

	for _, part := range []struct{ off, n int64 }{{0, -1}, {3 << 20, 2 << 20}, {5<<20 + 7, 1}} {
		rd, err := blob.OpenReader(t.Context(), s, "large", d.Size(), d.Sums(), part.off, part.n)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rd)
		end := part.off + part.n
		if part.n < 0 {
			end = d.Size()
		}
		if err != nil || !bytes.Equal(got, content[part.off:end]) {
			t.Errorf("range of %d at %d: %d bytes, %v", part.n, part.off, len(got), err)
		}
		rd.Close()
		want("read", "GET")
	}
	blobtest.Get(t, s, "large")
	want("read without knowing the size", "GET")
	if err := s.Delete(t.Context(), "large"); err != nil {
		t.Fatal(err)
	}
	want("delete", "DELETE")
	if _, err := s.URL(t.Context(), "small", 60e9); err != nil {
		t.Fatal(err)
	}
	want("sign")
}

// TestSizes: an object of two TiB fits into the blocks that Azure takes.
func TestSizes(t *testing.T) {
	for _, crowded := range []bool{false, true} {
		for _, total := range []int64{1, 4 << 20, 100 << 20, 40 << 30, 2 << 40} {
			blocks, largest := azblob.StagingSizes(total, crowded)
			if blocks > 50_000 {
				t.Errorf("%d bytes take %d blocks", total, blocks)
			}
			if largest > max(4<<20, int(total/5_000)) || total < 1<<30 && crowded && largest > 256<<10 {
				t.Errorf("%d bytes have blocks of up to %d", total, largest)
			}
		}
	}
}
