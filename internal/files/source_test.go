package files

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	store "github.com/orlop/orlop/memory"
)

// inDir makes the files, by name and content, in a new current directory. A
// name with a slash at the end is a directory.
func inDir(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func load(t *testing.T, o LoadOptions, args ...Arg) *Source {
	t.Helper()
	s, err := Load(t.Context(), args, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func readBlob(t *testing.T, s *Source, dgst digest.Digest, off, n int64) ([]byte, error) {
	t.Helper()
	r, err := s.OpenBlob(t.Context(), "any/repo", dgst, off, n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestLoadFiles(t *testing.T) {
	inDir(t, map[string]string{"artifact.txt": "Here is an artifact!\n", "sub/b": "bb", "empty": "", "same": "bb"})
	var titles []string
	var reading sync.Map // bytes read by title
	s := load(t, LoadOptions{
		OnRead: func(title string, size int64) (func(int64), func()) {
			reading.Store(title, int64(0))
			return func(n int64) { reading.Store(title, n) }, func() {
				if n, _ := reading.Load(title); n != size {
					t.Errorf("%s: %d of %d bytes read at the end", title, n, size)
				}
			}
		},
		OnFile:      func(title string) { titles = append(titles, title) },
		Annotations: map[string]map[string]string{"./sub/b": {"k": "v"}, "empty": {ocispec.AnnotationTitle: "renamed"}},
	}, Arg{"./artifact.txt", "text/plain"}, Arg{"./sub/b", ""}, Arg{"empty", ""}, Arg{"same", ""})
	want := []orlop.Descriptor{
		{MediaType: "text/plain", Digest: digest.FromString("Here is an artifact!\n"), Size: 21, Annotations: map[string]string{ocispec.AnnotationTitle: "artifact.txt"}},
		{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromString("bb"), Size: 2, Annotations: map[string]string{ocispec.AnnotationTitle: "sub/b", "k": "v"}},
		{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromString(""), Size: 0, Annotations: map[string]string{ocispec.AnnotationTitle: "renamed"}},
		{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromString("bb"), Size: 2, Annotations: map[string]string{ocispec.AnnotationTitle: "same"}},
	}
	if diff := cmp.Diff(want, s.Layers()); diff != "" {
		t.Error(diff)
	}
	if want := []string{"artifact.txt", "sub/b", "renamed", "same"}; !slices.Equal(titles, want) {
		t.Errorf("OnFile was called with %q", titles)
	}
	for _, l := range s.Layers() {
		got, err := readBlob(t, s, l.Digest, 0, -1)
		if err != nil || digest.FromBytes(got) != l.Digest {
			t.Errorf("blob %s = %q, %v", l.Digest, got, err)
		}
		if stat, err := s.StatBlob(t.Context(), "x", l.Digest); err != nil || stat.Size != l.Size || stat.Digest != l.Digest {
			t.Errorf("StatBlob = %v, %v", stat, err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	inDir(t, map[string]string{"a": "a", "b": "b"})
	abs, _ := filepath.Abs("a")
	for _, tt := range []struct {
		name, want string
		options    LoadOptions
		args       []Arg
	}{
		{"missing", "no such file", LoadOptions{}, []Arg{{"a", ""}, {"nowhere", ""}}},
		{"duplicate", "a: duplicate name", LoadOptions{}, []Arg{{"a", ""}, {"./a", "text/plain"}}},
		{"absolute", "--disable-path-validation: " + abs, LoadOptions{}, []Arg{{abs, ""}}},
		{"duplicate by annotation", "b: duplicate name", LoadOptions{Annotations: map[string]map[string]string{"a": {ocispec.AnnotationTitle: "b"}}}, []Arg{{"a", ""}, {"b", ""}}},
		{"device", "not a regular file", LoadOptions{AllowAbsolute: true}, []Arg{{"/dev/zero", ""}}},
	} {
		if _, err := Load(t.Context(), tt.args, tt.options); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if s := load(t, LoadOptions{AllowAbsolute: true}, Arg{abs, ""}); s.Layers()[0].Annotations[ocispec.AnnotationTitle] != filepath.ToSlash(abs) {
		t.Errorf("layers: %v", s.Layers())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, []Arg{{"a", ""}}, LoadOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Load with a cancelled context: %v", err)
	}
}

func TestOpenBlobRanges(t *testing.T) {
	inDir(t, map[string]string{"f": "0123456789"})
	s := load(t, LoadOptions{}, Arg{"f", ""})
	s.AddBlob([]byte("0123456789x"), orlop.Descriptor{Digest: digest.FromString("0123456789x"), Size: 11})
	for _, dgst := range []digest.Digest{digest.FromString("0123456789"), digest.FromString("0123456789x")} {
		for _, tt := range []struct {
			off, n int64
			want   string
		}{{0, 3, "012"}, {4, 2, "45"}, {8, 1, "8"}, {3, 0, ""}} {
			if got, err := readBlob(t, s, dgst, tt.off, tt.n); err != nil || string(got) != tt.want {
				t.Errorf("%d+%d = %q, %v", tt.off, tt.n, got, err)
			}
		}
		if got, err := readBlob(t, s, dgst, 7, -1); err != nil || !strings.HasPrefix(string(got), "789") {
			t.Errorf("7- = %q, %v", got, err)
		}
		for _, off := range []int64{-1, 12} {
			if _, err := readBlob(t, s, dgst, off, -1); !errors.Is(err, orlop.ErrRangeInvalid) {
				t.Errorf("offset %d: %v", off, err)
			}
		}
	}
	if _, err := readBlob(t, s, digest.FromString("unknown"), 0, -1); !errors.Is(err, orlop.ErrBlobUnknown) {
		t.Errorf("unknown blob: %v", err)
	}
}

// A file that changes after Load must not end as a complete blob: the last byte
// is never given.
func TestFileChanges(t *testing.T) {
	content := strings.Repeat("x", maxAhead+1) // smaller ones stay in memory
	for name, change := range map[string]func() error{
		"longer":   func() error { return os.WriteFile("f", []byte(content+"y"), 0o644) },
		"shorter":  func() error { return os.Truncate("f", 10) },
		"replaced": func() error { os.WriteFile("g", []byte(content), 0o644); return os.Rename("g", "f") },
		"removed":  func() error { return os.Remove("f") },
		"touched":  func() error { return os.Chtimes("f", time.Time{}, time.Unix(1, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			inDir(t, map[string]string{"f": content})
			s := load(t, LoadOptions{}, Arg{"f", ""})
			dgst := s.Layers()[0].Digest
			during, err := s.OpenBlob(t.Context(), "", dgst, 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			defer during.Close()
			if err := change(); err != nil {
				t.Fatal(err)
			}
			if got, err := readBlob(t, s, dgst, 0, -1); err == nil || len(got) >= len(content) {
				t.Errorf("opened after the change: %d bytes, %v", len(got), err)
			}
			got, err := io.ReadAll(during)
			gone := name == "replaced" || name == "removed" // an open file is still there
			if !gone && (!errors.Is(err, ErrChanged) || len(got) >= len(content)) {
				t.Errorf("changed while open: %d bytes, %v", len(got), err)
			}
		})
	}
}

// Small files are pushed as they were when they were read, as far as they have
// room in memory; the others must be as they were.
func TestSmallFilesStayInMemory(t *testing.T) {
	tree := map[string]string{}
	var args []Arg
	const n = maxKept/maxAhead + 3
	for i := range n {
		name := fmt.Sprintf("f%03d", i)
		tree[name] = name + strings.Repeat("x", maxAhead-4)
		args = append(args, Arg{name, ""})
	}
	inDir(t, tree)
	s := load(t, LoadOptions{}, args...)
	changed := 0
	for i, layer := range s.Layers() {
		name := args[i].Path
		if err := os.WriteFile(name, []byte("new"), 0o644); err != nil {
			t.Fatal(err)
		}
		switch got, err := readBlob(t, s, layer.Digest, 0, -1); {
		case errors.Is(err, ErrChanged):
			changed++
		case err != nil || string(got) != tree[name]:
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if changed != 3 {
		t.Errorf("%d files were read again, want 3 of %d", changed, n)
	}
}

// A change that size and time do not show is found by who stores the content.
func TestHiddenChangeIsNotPushed(t *testing.T) {
	content := strings.Repeat("x", maxAhead+1)
	inDir(t, map[string]string{"f": content})
	s := load(t, LoadOptions{}, Arg{"f", ""})
	info, err := os.Stat("f")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("f", []byte(strings.ToUpper(content)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes("f", time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
	m, blobs, err := orlop.Pack(orlop.PackOptions{ArtifactType: "a/b", Layers: s.Layers()})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		s.AddBlob(b.Content, b.Descriptor)
	}
	s.SetManifest(m)
	dst := store.New()
	_, err = orlop.Copy(t.Context(), dst, "r", s, "", string(m.Descriptor.Digest), orlop.CopyOptions{Tags: []string{"1"}})
	if !errors.Is(err, orlop.ErrDigestInvalid) {
		t.Errorf("push: %v", err)
	}
	if _, err := dst.Resolve(t.Context(), "r", "1"); err == nil {
		t.Error("the artifact is there")
	}
}

func TestAddConfig(t *testing.T) {
	inDir(t, map[string]string{"config.json": "{}"})
	s := load(t, LoadOptions{Annotations: map[string]map[string]string{"$config": {"k": "v"}}})
	annotations := map[string]string{"k": "v"}
	for _, tt := range []struct {
		path, mediaType string
		want            orlop.Descriptor
	}{
		{"/dev/null", "", orlop.Descriptor{MediaType: DefaultConfigType, Digest: digest.FromString(""), Annotations: annotations}},
		{"NUL", "a/b", orlop.Descriptor{MediaType: "a/b", Digest: digest.FromString(""), Annotations: annotations}},
		{"config.json", "a/b", orlop.Descriptor{MediaType: "a/b", Digest: digest.FromString("{}"), Size: 2, Annotations: annotations}},
	} {
		got, err := s.AddConfig(tt.path, tt.mediaType)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", tt.path, err, diff)
		}
		if b, err := readBlob(t, s, got.Digest, 0, -1); err != nil || int64(len(b)) != got.Size {
			t.Errorf("%s: %q, %v", tt.path, b, err)
		}
	}
	if _, err := s.AddConfig("nowhere", ""); err == nil {
		t.Error("a missing configuration was accepted")
	}
}

func TestManifest(t *testing.T) {
	s := load(t, LoadOptions{})
	if _, err := s.Resolve(t.Context(), "r", "1.0"); !errors.Is(err, orlop.ErrManifestUnknown) {
		t.Errorf("no manifest: %v", err)
	}
	m := orlop.Manifest{Raw: []byte("{}"), Descriptor: orlop.Descriptor{MediaType: "m", Digest: digest.FromString("{}"), Size: 2}}
	s.SetManifest(m)
	for _, reference := range []string{"1.0", m.Descriptor.Digest.String()} {
		got, err := s.Manifest(t.Context(), "r", reference)
		if diff := cmp.Diff(m, got); err != nil || diff != "" {
			t.Errorf("Manifest(%s): %v %s", reference, err, diff)
		}
		if desc, err := s.Resolve(t.Context(), "r", reference); err != nil || desc.Digest != m.Descriptor.Digest {
			t.Errorf("Resolve(%s) = %v, %v", reference, desc, err)
		}
	}
	if _, err := s.Manifest(t.Context(), "r", digest.FromString("x").String()); !errors.Is(err, orlop.ErrManifestUnknown) {
		t.Errorf("another digest: %v", err)
	}
}

// makeTree makes the directory "tree" with fixed times and modes.
func makeTree(t *testing.T) {
	t.Helper()
	inDir(t, map[string]string{"tree/b.txt": "b", "tree/a/deep/x": "xx", "tree/a-b": "", "tree/empty/": ""})
	for name, mode := range map[string]os.FileMode{"tree/b.txt": 0o755, "tree/a-b": 0o600, "tree/a/deep/x": 0o644} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../b.txt", "tree/a/link"); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir("tree", func(name string, d os.DirEntry, err error) error {
		if err != nil || d.Type()&os.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(name, time.Time{}, time.Unix(1_600_000_000, 123456789))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPackDirectory(t *testing.T) {
	makeTree(t)
	temp := t.TempDir()
	s := load(t, LoadOptions{TempDir: temp}, Arg{"./tree/", ""})
	layer := s.Layers()[0]
	raw, err := readBlob(t, s, layer.Digest, 0, -1)
	if err != nil || layer.MediaType != ocispec.MediaTypeImageLayerGzip || layer.Size != int64(len(raw)) {
		t.Fatalf("%v: %d bytes, %v", layer, len(raw), err)
	}
	gz, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(gz)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{ocispec.AnnotationTitle: "tree", AnnotationUnpack: "true", AnnotationDigest: digest.FromBytes(plain).String()}
	if diff := cmp.Diff(want, layer.Annotations); diff != "" {
		t.Error(diff)
	}
	var names []string
	for tr := tar.NewReader(bytes.NewReader(plain)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" {
			t.Errorf("%s has an owner", h.Name)
		}
	}
	order := []string{"tree", "tree/a", "tree/a/deep", "tree/a/deep/x", "tree/a/link", "tree/a-b", "tree/b.txt", "tree/empty"}
	if diff := cmp.Diff(order, names); diff != "" {
		t.Error(diff)
	}
	again := load(t, LoadOptions{}, Arg{"tree", ""})
	if again.Layers()[0].Digest != layer.Digest {
		t.Error("packed again, the directory has another digest")
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("a crash would leave %v", left)
	}
}

func TestPackFailureLeavesNothing(t *testing.T) {
	makeTree(t)
	temp := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Load(ctx, []Arg{{"tree", ""}, {"nowhere", ""}}, LoadOptions{TempDir: temp, OnFile: func(string) { cancel() }})
	if err == nil {
		t.Error("Load succeeded")
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
