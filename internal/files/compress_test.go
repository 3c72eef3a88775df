package files

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// someText is content that compresses about as source code does.
func someText(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "line %d of %x\n", r.IntN(1000), r.Uint32())
	}
	return b.Bytes()[:n]
}

func compress(t testing.TB, compression string, raw []byte) []byte {
	t.Helper()
	c, err := newCodec(compression)
	if err != nil {
		t.Fatal(err)
	}
	var packed, before bytes.Buffer
	w := newBlockWriter(c, &packed, &before)
	for piece := range chunks(raw, 70_000) {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before.Bytes(), raw) {
		t.Error("what was compressed is not what was written")
	}
	return packed.Bytes()
}

func chunks(raw []byte, n int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for ; len(raw) > 0 && yield(raw[:min(n, len(raw))]); raw = raw[min(n, len(raw)):] {
		}
	}
}

func decompress(compression string, packed []byte) ([]byte, error) {
	switch compression {
	case Gzip:
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case Zstd:
		r, err := zstd.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	return packed, nil
}

// What comes out can be read by others and does not depend on the number of
// CPUs.
func TestCompression(t *testing.T) {
	text := someText(4<<20 + 3)
	for _, compression := range []string{Gzip, Zstd, None} {
		c, _ := newCodec(compression)
		for _, n := range []int{0, 1, c.size(), c.size() + 1, len(text)} {
			var first []byte
			for _, cpus := range []int{1, 2, 8} {
				before := runtime.GOMAXPROCS(cpus)
				packed := compress(t, compression, text[:n])
				runtime.GOMAXPROCS(before)
				if first == nil {
					first = packed
				}
				if !bytes.Equal(packed, first) {
					t.Errorf("%s of %d bytes: another result with %d CPUs", compression, n, cpus)
				}
			}
			if plain, err := decompress(compression, first); err != nil || !bytes.Equal(plain, text[:n]) {
				t.Errorf("%s of %d bytes: %d bytes come back, %v", compression, n, len(plain), err)
			}
		}
	}
}

// The ratio is about that of gzip as ORAS uses it.
func TestCompressionRatio(t *testing.T) {
	text := someText(2 << 20)
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(text)
	w.Close()
	if n := len(compress(t, Gzip, text)); n > b.Len()*105/100 {
		t.Errorf("%d bytes, gzip makes %d of it", n, b.Len())
	}
}

func TestOtherToolsReadIt(t *testing.T) {
	text := someText(2<<20 + 1)
	for compression, tool := range map[string]string{Gzip: "gzip", Zstd: "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("%s is not installed", tool)
			continue
		}
		for _, flag := range []string{"-t", "-dc"} {
			cmd := exec.CommandContext(t.Context(), tool, flag)
			cmd.Stdin = bytes.NewReader(compress(t, compression, text))
			var errs strings.Builder
			cmd.Stderr = &errs
			if out, err := cmd.Output(); err != nil || flag == "-dc" && !bytes.Equal(out, text) || errs.String() != "" && compression == Gzip {
				t.Errorf("%s %s: %d bytes, %v, %s", tool, flag, len(out), err, &errs)
			}
		}
	}
}

func TestCompressToAFullDisk(t *testing.T) {
	for _, compression := range []string{Gzip, Zstd, None} {
		c, _ := newCodec(compression)
		disk := fullDisk(100_000)
		w := newBlockWriter(c, &disk, io.Discard)
		n, werr := io.Copy(w, io.LimitReader(rand.NewChaCha8([32]byte{}), 64<<20))
		if err := w.Close(); !errors.Is(err, errFull) || !errors.Is(werr, errFull) {
			t.Errorf("%s: %d bytes written, %v, then %v", compression, n, werr, err)
		}
	}
	if _, err := newCodec("lzma"); err == nil {
		t.Error("an unknown compression was accepted")
	}
}

// The tar of a packed directory is that of ORAS, byte for byte: a tree pushed by
// both has the same digest before compression.
func TestTarIsThatOfORAS(t *testing.T) {
	oras, err := exec.LookPath("oras")
	if err != nil {
		t.Skip("oras is not installed: go install oras.land/oras/cmd/oras@v1.3.6")
	}
	makeTree(t)
	long := "tree/" + strings.Repeat("long/", 30) + strings.Repeat("x", 120)
	for name, content := range map[string]string{
		long: "l", "tree/ünï": "u", "tree/a b": " ", "tree/large": strings.Repeat("0123456789", 50_000), "tree/-x": "", "tree/A": "A",
	} {
		if err := os.MkdirAll(name[:strings.LastIndexByte(name, '/')], 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	os.Symlink("/absolute/"+strings.Repeat("y", 150), "tree/far")
	os.Chmod("tree/A", 0o755|os.ModeSetuid)
	out, err := exec.CommandContext(t.Context(), oras, "push", "--oci-layout", "lay:1", "tree", "--format", "go-template={{.digest}}").CombinedOutput()
	if err != nil {
		t.Fatalf("oras push: %v: %s", err, out)
	}
	manifest, err := os.ReadFile("lay/blobs/sha256/" + strings.TrimPrefix(strings.TrimSpace(string(out)), "sha256:"))
	if err != nil {
		t.Fatal(err)
	}
	for _, compression := range []string{Gzip, Zstd, None} {
		s := load(t, LoadOptions{Compression: compression}, Arg{"tree", ""})
		if d := s.Layers()[0].Annotations[AnnotationDigest]; !bytes.Contains(manifest, []byte(d)) {
			t.Errorf("%s: the tar is %s, that of ORAS another: %s", compression, d, manifest)
		}
	}
}
