package blob_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/blobtest"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumsOf sums content in the plainest way.
func sumsOf(content []byte) []byte {
	var sums []byte
	for len(content) > 0 {
		n := min(len(content), blob.PieceSize)
		sums = binary.BigEndian.AppendUint32(sums, crc32.Checksum(content[:n], castagnoli))
		content = content[n:]
	}
	return sums
}

func newDigester(t testing.TB, algorithms ...digest.Algorithm) *blob.Digester {
	t.Helper()
	d, err := blob.NewDigester(algorithms...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// checkDigester compares what was found with what the content has.
func checkDigester(t *testing.T, d *blob.Digester, content []byte, algorithms ...digest.Algorithm) {
	t.Helper()
	if d.Size() != int64(len(content)) {
		t.Errorf("size %d, want %d", d.Size(), len(content))
	}
	if !bytes.Equal(d.Sums(), sumsOf(content)) {
		t.Errorf("other sums of %d bytes", len(content))
	}
	for _, a := range algorithms {
		if got, err := d.Digest(a); err != nil || got != a.FromBytes(content) {
			t.Errorf("%s of %d bytes: %s, %v", a, len(content), got, err)
		}
	}
}

func TestDigester(t *testing.T) {
	for _, size := range []int{0, 1, blob.PieceSize - 1, blob.PieceSize, blob.PieceSize + 1, 3<<20 + 77} {
		content := blobtest.Content(1, size)
		d := newDigester(t, digest.SHA256, digest.SHA512)
		if n, err := d.Write(content); n != size || err != nil {
			t.Errorf("write %d bytes: %d, %v", size, n, err)
		}
		checkDigester(t, d, content, digest.SHA256, digest.SHA512)
	}
}

// TestDigesterRestore saves and restores the state at awkward places.
func TestDigesterRestore(t *testing.T) {
	content := blobtest.Content(2, 2*blob.PieceSize+1000)
	d := newDigester(t, digest.SHA512, digest.SHA256)
	at := 0
	for _, end := range []int{0, 1, 65, blob.PieceSize - 1, blob.PieceSize, blob.PieceSize + 1, 2 * blob.PieceSize, len(content)} {
		_, _ = d.Write(content[at:end])
		at = end
		checkDigester(t, d, content[:end], digest.SHA256, digest.SHA512)
		state, err := d.State()
		if err != nil {
			t.Fatal(err)
		}
		if d, err = blob.RestoreDigester(state); err != nil {
			t.Fatalf("restore at %d: %v", end, err)
		}
	}
	checkDigester(t, d, content, digest.SHA256, digest.SHA512)
}

func TestDigesterSumsAreTheCallers(t *testing.T) {
	d := newDigester(t)
	content := blobtest.Content(3, blob.PieceSize)
	_, _ = d.Write(content)
	clear(d.Sums())
	checkDigester(t, d, content, digest.SHA256)
}

func TestDigesterRefuses(t *testing.T) {
	for _, algorithms := range [][]digest.Algorithm{
		{digest.SHA384}, {"md5"}, {""}, {digest.SHA256, digest.SHA256},
	} {
		if _, err := blob.NewDigester(algorithms...); err == nil {
			t.Errorf("algorithms %q are accepted", algorithms)
		}
	}
	if _, err := newDigester(t).Digest(digest.SHA512); !errors.Is(err, digest.ErrDigestUnsupported) {
		t.Errorf("digest by an algorithm not hashed with: %v", err)
	}
}

func TestRestoreDamagedState(t *testing.T) {
	d := newDigester(t, digest.SHA256, digest.SHA512)
	_, _ = d.Write(blobtest.Content(4, blob.PieceSize+3))
	state, err := d.State()
	if err != nil {
		t.Fatal(err)
	}
	for i := range state {
		damaged := bytes.Clone(state)
		damaged[i] ^= 0x10
		if _, err := blob.RestoreDigester(damaged); err == nil {
			t.Errorf("a state with byte %d changed is accepted", i)
		}
		if _, err := blob.RestoreDigester(state[:i]); err == nil {
			t.Errorf("a state cut to %d bytes is accepted", i)
		}
	}
	if _, err := blob.RestoreDigester(append(state, 0)); err == nil {
		t.Error("a state with a byte more is accepted")
	}
}

// resum gives a state the checksum that it should have, so that what lies
// behind it is reached.
func resum(body []byte) []byte {
	return binary.BigEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, castagnoli))
}

func FuzzRestoreDigester(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 14))
	for _, size := range []int{0, 100, blob.PieceSize + 1} {
		d := newDigester(f, digest.SHA256, digest.SHA512)
		_, _ = d.Write(make([]byte, size))
		state, err := d.State()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(state[:len(state)-4])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := blob.RestoreDigester(resum(body))
		if err != nil {
			return
		}
		state, err := d.State()
		if err != nil {
			t.Fatal(err)
		}
		again, err := blob.RestoreDigester(state)
		if err != nil {
			t.Fatalf("a state that was just saved: %v", err)
		}
		_, _ = d.Write([]byte("more"))
		_, _ = again.Write([]byte("more"))
		if again.Size() != d.Size() || !bytes.Equal(again.Sums(), d.Sums()) {
			t.Error("restored to another state")
		}
	})
}

func BenchmarkDigester(b *testing.B) {
	content := blobtest.Content(5, blob.PieceSize)
	for _, algorithms := range [][]digest.Algorithm{
		{digest.SHA256}, {digest.SHA512}, {digest.SHA256, digest.SHA512},
	} {
		name := algorithms[0]
		if len(algorithms) > 1 {
			name = "both"
		}
		b.Run(string(name), func(b *testing.B) {
			d := newDigester(b, algorithms...)
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				_, _ = d.Write(content)
			}
		})
	}
}
