package files

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	store "github.com/orlop/orlop/memory"
)

// headers returns what a tar says of its entries.
func headers(t *testing.T, plain []byte) map[string]*tar.Header {
	t.Helper()
	m := map[string]*tar.Header{}
	for tr := tar.NewReader(bytes.NewReader(plain)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return m
		}
		if err != nil {
			t.Fatal(err)
		}
		m[h.Name] = h
	}
}

func TestTimesAndModes(t *testing.T) {
	makeTree(t)
	os.Chtimes("tree/b.txt", time.Time{}, time.Unix(1_800_000_000, 0))
	for _, tt := range []struct {
		o          LoadOptions
		b, x, mode int64 // time of b.txt and of the directory a, mode of a-b
	}{
		{LoadOptions{}, 1_800_000_000, 1_600_000_000, 0o600},
		{LoadOptions{Epoch: time.Unix(1_700_000_000, 0)}, 1_700_000_000, 1_600_000_000, 0o600},
		{LoadOptions{Reproducible: true}, 0, 0, 0o644},
		{LoadOptions{Reproducible: true, Epoch: time.Unix(1_700_000_000, 0)}, 1_700_000_000, 1_700_000_000, 0o644},
	} {
		tt.o.Compression = None
		s := load(t, tt.o, Arg{"tree", ""})
		plain, err := readBlob(t, s, s.Layers()[0].Digest, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		h := headers(t, plain)
		got := []int64{h["tree/b.txt"].ModTime.Unix(), h["tree/a"].ModTime.Unix(), h["tree/a-b"].Mode, h["tree/b.txt"].Mode, h["tree/a"].Mode}
		if want := []int64{tt.b, tt.x, tt.mode, 0o755, 0o755}; !slices.Equal(got, want) {
			t.Errorf("%+v: %o, want %o", tt.o, got, want)
		}
	}
}

// A tree that changes while it is packed gives an error, never an archive of
// other content than its digest says.
func TestTreeChangesWhilePacked(t *testing.T) {
	for name, change := range map[string]func(){
		"grows":   func() { appendTo("tree/z", "more") },
		"shrinks": func() { os.Truncate("tree/z", 10) },
		"removed": func() { os.Remove("tree/z"); os.RemoveAll("tree/zz") },
	} {
		t.Run(name, func(t *testing.T) {
			inDir(t, map[string]string{"tree/zz/f": "f"})
			for i := range 2 * filesAhead { // more than is read ahead
				os.WriteFile(fmt.Sprintf("tree/a%03d", i), bytes.Repeat([]byte("a"), 200_000), 0o644)
			}
			os.WriteFile("tree/z", bytes.Repeat([]byte("z"), 1<<20), 0o644)
			temp := t.TempDir()
			changed := false
			_, err := Load(t.Context(), []Arg{{"tree", ""}}, LoadOptions{TempDir: temp, OnRead: func(string, int64) (func(int64), func()) {
				return func(n int64) {
					when := int64(2*filesAhead) * 200_000 // z is open, its header may be written
					if name == "removed" {
						when = 200_000 // z is listed and not open yet
					}
					if n > when && !changed {
						changed = true
						change()
					}
				}, func() {}
			}})
			if err == nil {
				t.Error("packed")
			}
			if left, _ := os.ReadDir(temp); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func appendTo(name, s string) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		f.WriteString(s)
		f.Close()
	}
}

// uploads are the uploads to a store, of which some fail.
type uploads struct {
	*store.Registry
	failAfter int   // bytes; 0: never
	failWith  error // of the start
	commit    error
	begun     int
	cancelled int
	done      int
}

func (u *uploads) start(ctx context.Context) (orlop.BlobWriter, error) {
	if u.failWith != nil {
		return nil, u.failWith
	}
	u.begun++
	w, err := u.Upload(ctx, "r", "")
	return &lossy{w, u, 0}, err
}

var errLost = errors.New("the session is lost")

type lossy struct {
	orlop.BlobWriter
	u *uploads
	n int
}

func (l *lossy) Write(p []byte) (int, error) {
	if l.n += len(p); l.u.failAfter > 0 && l.n > l.u.failAfter {
		return 0, errLost
	}
	return l.BlobWriter.Write(p)
}

func (l *lossy) Commit(ctx context.Context, dgst digest.Digest) (orlop.Descriptor, error) {
	if l.u.commit != nil {
		return orlop.Descriptor{}, l.u.commit
	}
	l.u.done++
	return l.BlobWriter.Commit(ctx, dgst)
}

func (l *lossy) Cancel(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.u.cancelled++
	return l.BlobWriter.Cancel(ctx)
}

func makeLargeTree(t *testing.T) {
	t.Helper()
	inDir(t, map[string]string{"tree/f": string(someText(3 << 20))})
}

func TestPackedDirectoryIsSent(t *testing.T) {
	makeLargeTree(t)
	temp := t.TempDir()
	os.Chmod(temp, 0o500)
	u := &uploads{Registry: store.New()}
	s := load(t, LoadOptions{Upload: u.start, TempDir: temp}, Arg{"tree", ""})
	layer := s.Layers()[0]
	if !s.Sent(layer.Digest) || u.done != 1 || u.cancelled != 0 {
		t.Errorf("sent %t, %+v", s.Sent(layer.Digest), u)
	}
	if got, err := u.StatBlob(t.Context(), "r", layer.Digest); err != nil || got.Size != layer.Size {
		t.Errorf("StatBlob = %v, %v", got, err)
	}
	if want := load(t, LoadOptions{}, Arg{"tree", ""}).Layers()[0]; want.Digest != layer.Digest || s.Sent("") {
		t.Errorf("the digest is %s, want %s", layer.Digest, want.Digest)
	}
}

// What the destination has lost is packed again, if the tree is still the same.
func TestSentButLost(t *testing.T) {
	makeLargeTree(t)
	u := &uploads{Registry: store.New()}
	s := load(t, LoadOptions{Upload: u.start, TempDir: t.TempDir()}, Arg{"tree", ""})
	layer := s.Layers()[0]
	for range 2 {
		raw, err := readBlob(t, s, layer.Digest, 0, -1)
		if err != nil || digest.FromBytes(raw) != layer.Digest {
			t.Errorf("OpenBlob: %d bytes, %v", len(raw), err)
		}
	}
	s = load(t, LoadOptions{Upload: u.start}, Arg{"tree", ""})
	appendTo("tree/f", "x")
	if _, err := readBlob(t, s, layer.Digest, 0, -1); !errors.Is(err, ErrChanged) {
		t.Errorf("OpenBlob after a change: %v", err)
	}
}

func TestSendingFails(t *testing.T) {
	makeLargeTree(t)
	want := load(t, LoadOptions{}, Arg{"tree", ""}).Layers()[0]
	for name, u := range map[string]*uploads{
		"unsupported": {failWith: fmt.Errorf("no: %w", orlop.ErrUnsupported)},
		"at once":     {failAfter: 1},
		"midway":      {failAfter: 300_000},
		"commit":      {commit: errLost},
	} {
		t.Run(name, func(t *testing.T) {
			u.Registry = store.New()
			temp := t.TempDir()
			s := load(t, LoadOptions{Upload: u.start, TempDir: temp}, Arg{"tree", ""})
			layer := s.Layers()[0]
			if layer.Digest != want.Digest || s.Sent(layer.Digest) || u.cancelled != u.begun {
				t.Errorf("digest %s, sent %t, %+v", layer.Digest, s.Sent(layer.Digest), u)
			}
			if raw, err := readBlob(t, s, layer.Digest, 0, -1); err != nil || digest.FromBytes(raw) != layer.Digest {
				t.Errorf("OpenBlob: %d bytes, %v", len(raw), err)
			}
		})
	}
	u := &uploads{failWith: orlop.ErrDenied}
	if _, err := Load(t.Context(), []Arg{{"tree", ""}}, LoadOptions{Upload: u.start}); !errors.Is(err, orlop.ErrDenied) {
		t.Errorf("who may not upload: %v", err)
	}
}

// A tree that cannot be read to its end leaves no upload.
func TestPackingFailsWhileSending(t *testing.T) {
	makeLargeTree(t)
	u := &uploads{Registry: store.New()}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Load(ctx, []Arg{{"tree", ""}}, LoadOptions{Upload: u.start, OnRead: func(string, int64) (func(int64), func()) {
		return func(n int64) {
			if n > 2<<20 {
				cancel()
			}
		}, func() {}
	}})
	if !errors.Is(err, context.Canceled) || u.cancelled != u.begun || u.done != 0 {
		t.Errorf("Load: %v, %+v", err, u)
	}
}

func TestStdin(t *testing.T) {
	t.Chdir(t.TempDir())
	large := string(someText(300_000))
	for _, content := range []string{"", "small", large} {
		for _, upload := range []bool{false, true} {
			u := &uploads{Registry: store.New()}
			o := LoadOptions{Stdin: strings.NewReader(content), StdinTitle: "name", TempDir: t.TempDir()}
			if upload {
				o.Upload = u.start
			}
			s := load(t, o, Arg{"-", "text/plain"})
			want := orlop.Descriptor{MediaType: "text/plain", Digest: digest.FromString(content), Size: int64(len(content)), Annotations: map[string]string{ocispec.AnnotationTitle: "name"}}
			layer := s.Layers()[0]
			if layer.Digest != want.Digest || layer.Size != want.Size || layer.Annotations[ocispec.AnnotationTitle] != "name" || layer.MediaType != want.MediaType {
				t.Errorf("layer %+v", layer)
			}
			isSent := upload && content == large
			if s.Sent(layer.Digest) != isSent || u.done == 1 != isSent {
				t.Errorf("%d bytes: sent %t, %d uploads", len(content), s.Sent(layer.Digest), u.done)
			}
			if raw, err := readBlob(t, s, layer.Digest, 0, -1); isSent && !errors.Is(err, errSentOnce) || !isSent && string(raw) != content {
				t.Errorf("OpenBlob: %d bytes, %v", len(raw), err)
			}
		}
	}
	s := load(t, LoadOptions{Stdin: strings.NewReader("x")}, Arg{"-", ""})
	if title, ok := s.Layers()[0].Annotations[ocispec.AnnotationTitle]; ok {
		t.Errorf("the title is %q", title)
	}
	if _, err := Load(t.Context(), []Arg{{"-", ""}, {"-", ""}}, LoadOptions{Stdin: strings.NewReader("x")}); err == nil {
		t.Error("standard input was taken twice")
	}
	u := &uploads{Registry: store.New(), failAfter: 100_000}
	if _, err := Load(t.Context(), []Arg{{"-", ""}}, LoadOptions{Stdin: strings.NewReader(large), Upload: u.start}); !errors.Is(err, errLost) || u.cancelled != 1 {
		t.Errorf("a lost upload: %v, %+v", err, u)
	}
}
