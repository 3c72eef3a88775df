package registry

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/smallblobs"
)

// smallOnes makes n blobs that all differ.
func smallOnes(n int) (blobs []smallblobs.Blob, digests []digest.Digest) {
	for i := range n {
		content := fmt.Appendf(nil, "blob %d", i)
		blobs = append(blobs, smallblobs.Blob{Digest: digest.FromBytes(content), Content: content})
		digests = append(digests, blobs[i].Digest)
	}
	return blobs, digests
}

// TestPushBlobsAtOnce stores overlapping sets of blobs at once while others read
// and delete them: what is read is right.
func TestPushBlobsAtOnce(t *testing.T) {
	reg := openDisk(t)
	blobs, digests := smallOnes(150)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			mine := slices.Clone(blobs[i*10 : 110+i*10])
			if err := reg.PushBlobs(t.Context(), "a", append(mine, mine[0])); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			contents, err := reg.ReadBlobs(t.Context(), "a", digests[i*20:i*20+64], 100)
			if err != nil {
				t.Error(err)
			}
			for j, content := range contents {
				if content != nil && !bytes.Equal(content, blobs[i*20+j].Content) {
					t.Errorf("blob %d is %q", i*20+j, content)
				}
			}
			if err := reg.DeleteBlob(t.Context(), "a", digests[i]); err != nil && !errors.Is(err, orlop.ErrBlobUnknown) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := reg.PushBlobs(t.Context(), "a", blobs); err != nil {
		t.Fatal(err)
	}
	for chunk := range slices.Chunk(digests, 64) {
		contents, err := reg.ReadBlobs(t.Context(), "a", chunk, 100)
		if err != nil || slices.ContainsFunc(contents, func(b []byte) bool { return b == nil }) {
			t.Errorf("not all are there: %v", err)
		}
	}
	if err := reg.DeleteBlob(t.Context(), "a", digests[7]); err != nil {
		t.Fatal(err)
	}
	contents, err := reg.ReadBlobs(t.Context(), "a", digests[6:8], 100)
	if err != nil || contents[0] == nil || contents[1] != nil {
		t.Errorf("after a deletion: %q, %v", contents, err)
	}
}

// TestPushBlobsWrong stores nothing of a set of which one is wrong.
func TestPushBlobsWrong(t *testing.T) {
	reg := openDisk(t)
	blobs, digests := smallOnes(3)
	blobs[2].Content = []byte("another")
	if err := reg.PushBlobs(t.Context(), "a", blobs); !errors.Is(err, orlop.ErrDigestInvalid) {
		t.Fatal(err)
	}
	if contents, err := reg.ReadBlobs(t.Context(), "a", digests, 100); err != nil || contents[0] != nil {
		t.Errorf("%q, %v", contents, err)
	}
}

// TestPushBlobsWithoutRows stores blobs where none is kept in the metadata.
func TestPushBlobsWithoutRows(t *testing.T) { eachEngine(t, testPushBlobsWithoutRows) }

func testPushBlobsWithoutRows(t *testing.T, e engine) {
	reg := e.open(t, Options{SmallBlob: -1})
	blobs, digests := smallOnes(10)
	if err := reg.PushBlobs(t.Context(), "a", blobs); err != nil {
		t.Fatal(err)
	}
	contents, err := reg.ReadBlobs(t.Context(), "a", digests, 100)
	if err != nil || !bytes.Equal(contents[9], blobs[9].Content) {
		t.Errorf("%q, %v", contents, err)
	}
}

// BenchmarkPushBlobs stores 100 blobs of 10 KiB at a time.
func BenchmarkPushBlobs(b *testing.B) {
	reg := openDisk(b)
	n := 0
	for b.Loop() {
		blobs, _ := smallOnes(100)
		for i := range blobs {
			n++
			content := append(fmt.Appendf(nil, "%d ", n), bytes.Repeat([]byte("x"), 10<<10)...)
			blobs[i] = smallblobs.Blob{Digest: digest.FromBytes(content), Content: content}
		}
		if err := reg.PushBlobs(b.Context(), "a", blobs); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadBlobs reads 64 blobs of 10 KiB at a time, from the store.
func BenchmarkReadBlobs(b *testing.B) {
	reg := openDisk(b)
	blobs, digests := smallOnes(64)
	for i := range blobs {
		content := append(fmt.Appendf(nil, "%d ", i), bytes.Repeat([]byte("x"), 10<<10)...)
		blobs[i] = smallblobs.Blob{Digest: digest.FromBytes(content), Content: content}
		digests[i] = blobs[i].Digest
	}
	if err := reg.PushBlobs(b.Context(), "a", blobs); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		reg.cache.holdAll()()
		if _, err := reg.ReadBlobs(b.Context(), "a", digests, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}
