package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// box is a folder with an output folder "out" and something beside it that must
// never change.
type box struct {
	dir    string
	target *Target
}

func newBox(t *testing.T, o TargetOptions) box {
	t.Helper()
	dir := t.TempDir()
	b := box{dir: dir}
	b.write(t, "outside/secret", "secret")
	var err error
	if b.target, err = OpenTarget(filepath.Join(dir, "out"), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.target.Close() })
	return b
}

// write makes a file, its name relative to the box.
func (b box) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (b box) symlink(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, filepath.Join(b.dir, name)); err != nil {
		t.Fatal(err)
	}
}

// tree lists the box: the content of files, the targets of links, "" for
// folders.
func (b box) tree(t *testing.T) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(b.dir, path)
		switch {
		case d.IsDir():
			got[name] = ""
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			got[name] = "-> " + target
			return err
		case d.Type().IsRegular():
			raw, err := os.ReadFile(path)
			got[name] = string(raw)
			return err
		default:
			got[name] = d.Type().String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// wantTree compares the box, "." and what newBox made left out.
func (b box) wantTree(t *testing.T, want map[string]string) {
	t.Helper()
	got := b.tree(t)
	for _, name := range []string{".", "out", "outside", "outside/secret"} {
		if content, ok := got[name]; !ok || content != "" && content != "secret" {
			t.Errorf("%s is now %q", name, content)
		}
		delete(got, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tree: %s", diff)
	}
}

func describeString(s string) orlop.Descriptor {
	return orlop.Descriptor{MediaType: "text/plain", Digest: digest.FromString(s), Size: int64(len(s))}
}

// serve returns an OpenFunc for content that counts its calls.
func serve(content string, calls *int) OpenFunc {
	return func(_ context.Context, off int64) (io.ReadCloser, error) {
		if calls != nil {
			*calls++
		}
		return io.NopCloser(strings.NewReader(content[off:])), nil
	}
}

func TestRestore(t *testing.T) {
	b := newBox(t, TargetOptions{})
	for name, content := range map[string]string{"a.txt": "aaa", "sub/deep/b": "bb", "./c": "", "twin1": "twin", "twin2": "twin"} {
		got, err := b.target.Restore(t.Context(), name, describeString(content), serve(content, nil))
		if want := (Restored{Path: filepath.Join(b.dir, "out", name)}); err != nil || got != want {
			t.Errorf("Restore(%q) = %+v, %v", name, got, err)
		}
	}
	b.wantTree(t, map[string]string{
		"out/a.txt": "aaa", "out/sub": "", "out/sub/deep": "", "out/sub/deep/b": "bb", "out/c": "", "out/twin1": "twin", "out/twin2": "twin",
	})
}

func TestRestoreSkipsWhatIsRight(t *testing.T) {
	b := newBox(t, TargetOptions{})
	b.write(t, "out/f", "right")
	b.write(t, "out/other", "wrong")
	if err := os.Chmod(filepath.Join(b.dir, "out/other"), 0o755); err != nil {
		t.Fatal(err)
	}
	calls := 0
	got, err := b.target.Restore(t.Context(), "f", describeString("right"), serve("right", &calls))
	if err != nil || !got.Existed || calls != 0 {
		t.Errorf("Restore = %+v, %v after %d calls", got, err, calls)
	}
	got, err = b.target.Restore(t.Context(), "other", describeString("right"), serve("right", &calls))
	if err != nil || got.Existed || calls != 1 {
		t.Errorf("Restore over another file = %+v, %v after %d calls", got, err, calls)
	}
	b.wantTree(t, map[string]string{"out/f": "right", "out/other": "right"})
	if info, _ := os.Stat(filepath.Join(b.dir, "out/other")); info.Mode().Perm() != 0o755 {
		t.Errorf("the permissions became %v", info.Mode())
	}
}

func TestKeepOldFiles(t *testing.T) {
	b := newBox(t, TargetOptions{KeepOldFiles: true})
	b.write(t, "out/f", "old")
	b.symlink(t, "nowhere", "out/link")
	for _, name := range []string{"f", "link"} {
		_, err := b.target.Restore(t.Context(), name, describeString("new"), serve("new", nil))
		if !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "overwrite disallowed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.wantTree(t, map[string]string{"out/f": "old", "out/link": "-> nowhere"})
}

func TestLinksAreReplacedNotFollowed(t *testing.T) {
	b := newBox(t, TargetOptions{})
	b.symlink(t, "../outside/secret", "out/link")
	b.symlink(t, "../outside/new", "out/dangling")
	for _, name := range []string{"link", "dangling"} {
		if _, err := b.target.Restore(t.Context(), name, describeString("new"), serve("new", nil)); err != nil {
			t.Error(err)
		}
	}
	b.wantTree(t, map[string]string{"out/link": "new", "out/dangling": "new"})
}

func TestRestoreRefusesWhatIsThere(t *testing.T) {
	b := newBox(t, TargetOptions{})
	b.write(t, "out/dir/f", "f")
	b.symlink(t, "../outside", "out/escape")
	b.symlink(t, filepath.Join(b.dir, "outside"), "out/absolute")
	b.symlink(t, "dir", "out/inside")
	before := b.tree(t)
	for name, want := range map[string]string{
		"dir":        "a directory of this name exists",
		"dir/f/g":    "not a directory",
		"escape/new": `"escape" is a symbolic link; if you trust the artifact, use --allow-path-traversal`,
		"absolute/d": `"absolute" is a symbolic link`,
		"escape/a/b": `"escape" is a symbolic link`,
	} {
		_, err := b.target.Restore(t.Context(), name, describeString("new"), serve("new", nil))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, b.tree(t)); diff != "" {
		t.Error(diff)
	}
	if _, err := b.target.Restore(t.Context(), "inside/g", describeString("g"), serve("g", nil)); err != nil {
		t.Errorf("through a link that stays inside: %v", err)
	}
}

// Names that must write nothing, whatever they are.
var evilTitles = []string{
	"", ".", "..", "/", "//", "./", "../", "a/", "a/..", "a/../", "a/../..", "../evil", "../outside/secret", "./../evil", "a/../../evil",
	"../../../../../../../../evil", "/evil", "/etc/evil", "//evil", "/../evil", "a\x00b", "../evil\x00", "\x00", "escape/evil", "escape/../../evil",
	"dangling/evil", "a/./../../evil", "....//../../../evil/",
}

func TestEvilTitles(t *testing.T) {
	for _, title := range evilTitles {
		for _, unpack := range []bool{false, true} {
			if unpack && title == "." {
				continue // the output folder itself, see TestUnpackIntoTheFolder
			}
			b := newBox(t, TargetOptions{})
			b.symlink(t, "../outside", "out/escape")
			b.symlink(t, "../outside/dangling", "out/dangling")
			before := b.tree(t)
			desc, content := describeString("evil"), "evil"
			if unpack {
				content = archive(t, dir(title), reg(title+"/f", "f"))
				desc = describeArchive(content)
			}
			if _, err := b.target.Restore(t.Context(), title, desc, serve(content, nil)); err == nil {
				t.Errorf("%q (unpack %t) was accepted", title, unpack)
			}
			after := b.tree(t)
			delete(after, "out/a") // the folder of "a/../b" may have been made
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("%q (unpack %t): %s", title, unpack, diff)
			}
		}
	}
}

func TestAllowPathTraversal(t *testing.T) {
	b := newBox(t, TargetOptions{AllowPathTraversal: true})
	b.symlink(t, "../outside", "out/link")
	abs := filepath.Join(b.dir, "abs", "f")
	for title, want := range map[string]string{
		"plain": "out/plain", "../beside": "beside", "link/through": "outside/through", abs: "abs/f",
	} {
		got, err := b.target.Restore(t.Context(), title, describeString("x"), serve("x", nil))
		if err != nil || !strings.HasSuffix(got.Path, filepath.FromSlash(title)) && !strings.HasSuffix(got.Path, want) {
			t.Errorf("%q: %+v, %v", title, got, err)
		}
		if raw, err := os.ReadFile(filepath.Join(b.dir, want)); err != nil || string(raw) != "x" {
			t.Errorf("%q: %q, %v", title, raw, err)
		}
	}
	content := archive(t, dir("../up"), reg("../up/f", "f"))
	if _, err := b.target.Restore(t.Context(), "../up", describeArchive(content), serve(content, nil)); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile(filepath.Join(b.dir, "up", "f")); err != nil || string(raw) != "f" {
		t.Errorf("unpacked above: %q, %v", raw, err)
	}
	for _, title := range []string{"", ".", "..", "/", "a/", "a\x00"} {
		if _, err := b.target.Restore(t.Context(), title, describeString("x"), serve("x", nil)); err == nil {
			t.Errorf("%q was accepted", title)
		}
	}
}

func TestRestoreConcurrently(t *testing.T) {
	b := newBox(t, TargetOptions{})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			content := fmt.Sprint("content ", i/2) // two titles for each digest
			if _, err := b.target.Restore(t.Context(), fmt.Sprintf("d%d/f%d", i%3, i), describeString(content), serve(content, nil)); err != nil {
				t.Error(err)
			}
			packed := archive(t, dir("d0"), reg(fmt.Sprintf("d0/packed%d", i), "p"))
			if _, err := b.target.Restore(t.Context(), "d0", describeArchive(packed), serve(packed, nil)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(b.tree(t)); n != 4+3+40+40 {
		t.Errorf("the tree has %d names", n)
	}
}

func TestOpenTarget(t *testing.T) {
	t.Chdir(t.TempDir())
	target, err := OpenTarget("", TargetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	wd, _ := os.Getwd()
	got, err := target.Restore(t.Context(), "f", describeString("f"), serve("f", nil))
	if err != nil || got.Path != filepath.Join(wd, "f") {
		t.Errorf("Restore = %+v, %v", got, err)
	}
	if _, err := OpenTarget("f", TargetOptions{}); err == nil {
		t.Error("a file was opened as a directory")
	}
}
