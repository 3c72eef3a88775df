package files

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

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

// goSource returns the directory of the standard library.
func goSource(b *testing.B) string {
	b.Helper()
	root, err := exec.CommandContext(b.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		b.Skipf("go env: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(root)), "src")
}

// BenchmarkPack packs the standard library, some 11,000 files.
func BenchmarkPack(b *testing.B) {
	dir := goSource(b)
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

// BenchmarkUnpack unpacks the standard library.
func BenchmarkUnpack(b *testing.B) {
	dir := goSource(b)
	for _, compression := range []string{Gzip, Zstd, None} {
		b.Run(compression, func(b *testing.B) {
			o := LoadOptions{AllowAbsolute: true, Compression: compression, Annotations: map[string]map[string]string{
				dir: {ocispec.AnnotationTitle: "src"},
			}}
			s, err := Load(b.Context(), []Arg{{dir, ""}}, o)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			layer := s.Layers()[0]
			for b.Loop() {
				b.StopTimer()
				out := b.TempDir()
				b.StartTimer()
				target, err := OpenTarget(out, TargetOptions{})
				if err != nil {
					b.Fatal(err)
				}
				_, err = target.Restore(b.Context(), "src", layer, func(ctx context.Context, off int64) (io.ReadCloser, error) {
					return s.OpenBlob(ctx, "", layer.Digest, off, -1)
				})
				if err != nil {
					b.Fatal(err)
				}
				target.Close()
				b.StopTimer()
				os.RemoveAll(out)
				b.StartTimer()
			}
		})
	}
}

const manyFiles = 2000

// BenchmarkLoadMany hashes 2,000 files of 10 KiB.
func BenchmarkLoadMany(b *testing.B) {
	args := makeMany(b)
	for b.Loop() {
		s, err := Load(b.Context(), args, LoadOptions{})
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// BenchmarkRestoreMany finds 2,000 files of 10 KiB to be right already.
func BenchmarkRestoreMany(b *testing.B) {
	args := makeMany(b)
	s, err := Load(b.Context(), args, LoadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		target, err := OpenTarget("", TargetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		var g errgroup.Group
		g.SetLimit(8)
		for _, l := range s.Layers() {
			g.Go(func() error {
				r, err := target.Restore(b.Context(), l.Annotations[ocispec.AnnotationTitle], l, nil)
				if err == nil && !r.Existed {
					b.Error("a file was not right")
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		target.Close()
	}
}

// BenchmarkPullMany writes 2,000 files of 10 KiB.
func BenchmarkPullMany(b *testing.B) {
	args := makeMany(b)
	s, err := Load(b.Context(), args, LoadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		b.StopTimer()
		out := b.TempDir()
		b.StartTimer()
		target, err := OpenTarget(out, TargetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		var g errgroup.Group
		g.SetLimit(8)
		for i, l := range s.Layers() {
			content := bytes.Repeat([]byte(fmt.Sprintf("%05d", i)), 2048)
			g.Go(func() error {
				_, err := target.Restore(b.Context(), l.Annotations[ocispec.AnnotationTitle], l, func(context.Context, int64) (io.ReadCloser, error) {
					return io.NopCloser(bytes.NewReader(content)), nil
				})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		target.Close()
	}
}

func makeMany(b *testing.B) []Arg {
	b.Helper()
	b.Chdir(b.TempDir())
	var args []Arg
	for i := range manyFiles {
		name := fmt.Sprintf("d%d/f%d", i%10, i)
		os.MkdirAll(filepath.Dir(name), 0o755)
		if err := os.WriteFile(name, bytes.Repeat([]byte(fmt.Sprintf("%05d", i)), 2048), 0o644); err != nil {
			b.Fatal(err)
		}
		args = append(args, Arg{name, ""})
	}
	return args
}
