package files

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// BenchmarkRestore writes, verifies and syncs 256 MiB.
func BenchmarkRestore(b *testing.B) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 16<<20)
	desc := orlop.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	target, err := OpenTarget(b.TempDir(), TargetOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer target.Close()
	b.SetBytes(desc.Size)
	for b.Loop() {
		got, err := target.Restore(b.Context(), "f", desc, func(_ context.Context, off int64) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content[off:])), nil
		})
		if err != nil {
			b.Fatal(err)
		}
		os.Remove(got.Path)
	}
}

// BenchmarkLoad hashes 256 MiB.
func BenchmarkLoad(b *testing.B) {
	b.Chdir(b.TempDir())
	if err := os.WriteFile("f", make([]byte, 256<<20), 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(256 << 20)
	for b.Loop() {
		s, err := Load(b.Context(), []Arg{{"f", ""}}, LoadOptions{})
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// BenchmarkPack packs the standard library, some 11,000 files.
func BenchmarkPack(b *testing.B) {
	dir := filepath.Join(runtime.GOROOT(), "src")
	for _, compression := range []string{Gzip, Zstd, None} {
		b.Run(compression, func(b *testing.B) {
			for b.Loop() {
				s, err := Load(b.Context(), []Arg{{dir, ""}}, LoadOptions{AllowAbsolute: true, Compression: compression, TempDir: b.TempDir()})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(s.Layers()[0].Size)/1e6, "MB")
				s.Close()
			}
		})
	}
}
