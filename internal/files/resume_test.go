package files

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// largeText is content of which a part is worth keeping.
var largeText = string(someText(1_000_000))

// largeArchive is such an archive.
func largeArchive(t *testing.T) string {
	t.Helper()
	return string(compress(t, None, tarOf(t, dir("d"), reg("d/f", largeText), reg("d/g", "g"))))
}

// broken serves n bytes of content, then fails with err.
func broken(content string, n int, err error) OpenFunc {
	return func(_ context.Context, off int64) (io.ReadCloser, error) {
		if off >= int64(n) {
			return nil, err
		}
		return io.NopCloser(io.MultiReader(strings.NewReader(content[off:n]), failing{err})), nil
	}
}

// recorder serves content and remembers from where.
type recorder struct {
	content string
	offsets []int64
}

func (r *recorder) open(_ context.Context, off int64) (io.ReadCloser, error) {
	r.offsets = append(r.offsets, off)
	return io.NopCloser(strings.NewReader(r.content[off:])), nil
}

var errReset = errors.New("connection reset")

// partsOf returns the partial files of the box.
func (b box) partsOf(t *testing.T) []string {
	t.Helper()
	parts, err := filepath.Glob(filepath.Join(b.dir, "out", ".orlop-*"))
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// cutRestore makes a partial file of n bytes.
func cutRestore(t *testing.T, b box, name string, desc orlop.Descriptor, content string, n int) {
	t.Helper()
	dir := b.target.dir
	synctest.Test(t, func(t *testing.T) { // pauses take no time
		target, err := OpenTarget(dir, TargetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer target.Close()
		if _, err := target.Restore(t.Context(), name, desc, broken(content, n, errReset)); !errors.Is(err, errReset) {
			t.Errorf("cut: %v", err)
		}
	})
}

// A transfer that was cut goes on in the next run from where it was, wherever
// that is, and leaves nothing when it is done.
func TestNextRunGoesOn(t *testing.T) {
	packed := largeArchive(t)
	for _, tt := range []struct {
		name, content string
		desc          orlop.Descriptor
		want          map[string]string
	}{
		{"f", largeText, describeString(largeText), map[string]string{"out/f": largeText}},
		{"d", packed, describeArchive(packed), map[string]string{"out/d": "", "out/d/f": largeText, "out/d/g": "g"}},
	} {
		for n := 1; n < len(tt.content); n += len(tt.content)/9 - 1 {
			b := newBox(t, TargetOptions{})
			cutRestore(t, b, tt.name, tt.desc, tt.content, n)
			if parts := b.partsOf(t); len(parts) != 1 {
				t.Fatalf("%s cut at %d: partial files %v", tt.name, n, parts)
			}
			r := recorder{content: tt.content}
			if _, err := b.target.Restore(t.Context(), tt.name, tt.desc, r.open); err != nil {
				t.Error(err)
			}
			if len(r.offsets) != 1 || r.offsets[0] != int64(n) {
				t.Errorf("%s cut at %d: went on from %v", tt.name, n, r.offsets)
			}
			b.wantTree(t, tt.want)
		}
	}
}

// What an earlier run has left is not trusted: it may be anything.
func TestDamagedPartialFile(t *testing.T) {
	packed := largeArchive(t)
	for what, part := range map[string]string{
		"wrong":            strings.Repeat("x", 500_000),
		"one wrong byte":   "x" + largeText[1:600_000],
		"whole and wrong":  strings.Repeat("x", len(largeText)),
		"whole and right":  largeText,
		"longer":           largeText + "x",
		"much longer":      largeText + largeText,
		"zeros, by a hole": strings.Repeat("\x00", 700_000),
	} {
		t.Run(what, func(t *testing.T) {
			b := newBox(t, TargetOptions{})
			b.write(t, "out/"+partialName("f", describeString(largeText).Digest), part)
			if _, err := b.target.Restore(t.Context(), "f", describeString(largeText), serve(largeText, nil)); err != nil {
				t.Error(err)
			}
			b.wantTree(t, map[string]string{"out/f": largeText})
			b = newBox(t, TargetOptions{})
			b.write(t, "out/"+partialName("d", describeArchive(packed).Digest), part)
			if _, err := b.target.Restore(t.Context(), "d", describeArchive(packed), serve(packed, nil)); err != nil {
				t.Error(err)
			}
			b.wantTree(t, map[string]string{"out/d": "", "out/d/f": largeText, "out/d/g": "g"})
		})
	}
}

// The name of a partial file can be guessed: what is there under it is not
// written to unless it is a file of ours alone.
func TestPartialNameIsTaken(t *testing.T) {
	desc := describeString(largeText)
	part := "out/" + partialName("f", desc.Digest)
	for what, put := range map[string]func(b box){
		"a link inside":  func(b box) { b.symlink(t, "victim", part) },
		"a link outside": func(b box) { b.symlink(t, "../outside/secret", part) },
		"a dangling link": func(b box) {
			b.symlink(t, "../outside/new", part)
		},
		"a hard link": func(b box) { os.Link(filepath.Join(b.dir, "out/victim"), filepath.Join(b.dir, part)) },
		"a folder":    func(b box) { os.Mkdir(filepath.Join(b.dir, part), 0o755) },
	} {
		t.Run(what, func(t *testing.T) {
			b := newBox(t, TargetOptions{})
			b.write(t, "out/victim", "victim")
			put(b)
			before := b.tree(t)
			if _, err := b.target.Restore(t.Context(), "f", desc, serve(largeText, nil)); err != nil {
				t.Error(err)
			}
			before["out/f"] = largeText
			after := b.tree(t)
			for name := range before {
				if after[name] != before[name] {
					t.Errorf("%s is %.20q", name, after[name])
				}
			}
			if len(after) != len(before) {
				t.Errorf("%d names, want %d", len(after), len(before))
			}
		})
	}
}

// ending is a reader of nothing that ends a context.
type ending context.CancelFunc

func (e ending) Read([]byte) (int, error) { e(); return 0, io.EOF }

// Only what another run can go on with is kept.
func TestWhatIsKept(t *testing.T) {
	desc, wrong := describeString(largeText), largeText[:999_999]+"\x00"
	for _, tt := range []struct {
		name string
		open OpenFunc
		kept bool
	}{
		{"cut", broken(largeText, 500_000, errReset), true},
		{"cut before the first byte", broken(largeText, 0, errReset), false},
		{"refused by the registry", broken(largeText, 500_000, orlop.ErrUnauthorized), true},
		{"gone from the registry", broken(largeText, 500_000, orlop.ErrBlobUnknown), false},
		{"damaged", broken(largeText, 500_000, orlop.ErrDamaged), false},
		{"wrong", serve(wrong, nil), false},
		{"long", serve(largeText+"x", nil), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t, TargetOptions{})
			if _, err := b.target.Restore(t.Context(), "f", desc, tt.open); err == nil {
				t.Errorf("%s: no error", tt.name)
			}
			if kept := len(b.partsOf(t)) > 0; kept != tt.kept {
				t.Errorf("%s: kept is %t", tt.name, kept)
			}
		})
	}
	b := newBox(t, TargetOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	interrupted := func(context.Context, int64) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(largeText[:500_000]), ending(cancel), strings.NewReader(largeText[500_000:]))), nil
	}
	if _, err := b.target.Restore(ctx, "f", desc, interrupted); !errors.Is(err, context.Canceled) || len(b.partsOf(t)) != 1 {
		t.Errorf("interrupted: %v, kept %v", err, b.partsOf(t))
	}
	evil := string(compress(t, None, tarOf(t, dir("d"), reg("d/f", largeText), reg("../evil", ""))))
	b = newBox(t, TargetOptions{})
	if err := b.unpack(t, evil); err == nil || len(b.partsOf(t)) != 0 {
		t.Errorf("an evil archive: %v, kept %v", err, b.partsOf(t))
	}
	small := strings.Repeat("x", minPartial-1)
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, TargetOptions{})
		b.target.Restore(t.Context(), "f", describeString(small), broken(small, 1000, errReset))
		if parts := b.partsOf(t); len(parts) > 0 {
			t.Errorf("a small file: kept %v", parts)
		}
	})
}

// Partial files go when they are old, or when a later run has all it wants.
func TestStalePartialFiles(t *testing.T) {
	b := newBox(t, TargetOptions{})
	old := "out/" + partialName("old", digest.FromString("old"))
	young := "out/" + partialName("young", digest.FromString("young"))
	elsewhere := "out/sub/" + partialName("old", digest.FromString("old"))
	for _, name := range []string{old, young, elsewhere} {
		b.write(t, name, "part")
	}
	dayAgo := time.Now().Add(-25 * time.Hour)
	os.Chtimes(filepath.Join(b.dir, old), dayAgo, dayAgo)
	restore := func(name string, open OpenFunc) {
		b.target.Restore(t.Context(), name, describeString("new"), open)
	}
	restore("f", serve("new", nil))
	want := map[string]string{"out/f": "new", young: "part", "out/sub": "", elsewhere: "part"}
	b.wantTree(t, want)
	restore("g", func(context.Context, int64) (io.ReadCloser, error) { return nil, orlop.ErrBlobUnknown })
	b.target.Close()
	b.wantTree(t, want) // for not all was well
	again, err := OpenTarget(filepath.Join(b.dir, "out"), TargetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b.target = again
	restore("f", nil) // it is right already
	restore("g", serve("new", nil))
	again.Close()
	delete(want, young)
	want["out/g"] = "new"
	b.wantTree(t, want)
}

// Several at once that want the same leave it whole, and nothing else.
func TestTwoPullsOfTheSame(t *testing.T) {
	b := newBox(t, TargetOptions{})
	packed := largeArchive(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			target, err := OpenTarget(filepath.Join(b.dir, "out"), TargetOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			defer target.Close()
			for range 3 {
				if _, err := target.Restore(t.Context(), "f", describeString(largeText), serve(largeText, nil)); err != nil {
					t.Error(err)
				}
				if _, err := target.Restore(t.Context(), "d", describeArchive(packed), serve(packed, nil)); err != nil {
					t.Error(err)
				}
				os.Remove(filepath.Join(b.dir, "out/f"))
			}
		})
	}
	wg.Wait()
	if _, err := b.target.Restore(t.Context(), "f", describeString(largeText), serve(largeText, nil)); err != nil {
		t.Error(err)
	}
	b.wantTree(t, map[string]string{"out/f": largeText, "out/d": "", "out/d/f": largeText, "out/d/g": "g"})
}

// Content of the name of a partial file could pass for another's.
func TestReservedNames(t *testing.T) {
	part := partialName("f", describeString(largeText).Digest)
	for _, title := range []string{part, strings.ToUpper(part), "sub/" + part, part + "/f"} {
		for _, o := range []TargetOptions{{}, {AllowPathTraversal: true}} {
			b := newBox(t, o)
			if _, err := b.target.Restore(t.Context(), title, describeString("x"), serve("x", nil)); err == nil {
				t.Errorf("%s was accepted", title)
			}
			b.wantTree(t, map[string]string{})
		}
	}
	b := newBox(t, TargetOptions{})
	if err := b.unpack(t, archive(t, dir("d"), reg("d/"+part, "x"))); err == nil {
		t.Error("an archive was accepted")
	}
}
