package blobtest

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/orlop/orlop/internal/blob"
)

func testContent(t *testing.T, s blob.Store) {
	for i, size := range []int{0, 1, 4096, blob.PieceSize, 5<<20 + 17} {
		key := fmt.Sprintf("content-%d", i)
		content := Content(1, size)
		Put(t, s, key, content)
		wantContent(t, s, key, content)
	}
}

func testReadAtOnce(t *testing.T, s blob.Store) {
	content := Content(4, 5<<20)
	Put(t, s, "key", content)
	obj, err := s.Open(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			off := i * 300_000
			got := make([]byte, 250_000)
			if _, err := obj.ReadAt(got, int64(off)); err != nil {
				t.Errorf("read at %d: %v", off, err)
			} else if !bytes.Equal(got, content[off:off+len(got)]) {
				t.Errorf("read at %d: other bytes", off)
			}
		})
	}
	group.Wait()
	if n, err := obj.ReadAt(make([]byte, 10), obj.Size()-4); n != 4 || err != io.EOF {
		t.Errorf("read over the end: %d, %v", n, err)
	}
	if n, err := obj.ReadAt(make([]byte, 10), obj.Size()+1); n != 0 || err != io.EOF {
		t.Errorf("read beyond the end: %d, %v", n, err)
	}
}

func testPieces(t *testing.T, s blob.Store) {
	content := Content(5, 2*blob.PieceSize+100)
	d, err := blob.NewDigester()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = d.Write(content)
	Put(t, s, "key", content)
	obj, err := s.Open(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	r := blob.NewReader(obj, d.Size(), d.Sums(), blob.PieceSize-10, 30)
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content[blob.PieceSize-10:][:30]) {
		t.Error("a range over two pieces is not what was written")
	}
}
