package state

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/remote/auth"
)

var quiet = slog.New(slog.DiscardHandler)

// key returns a key of a store as package auth makes them.
func key(i int) string { return fmt.Sprintf("%064x", i) }

func token(registry, value string) auth.StoredToken {
	return auth.StoredToken{
		Registry: registry, Value: value, Scopes: []string{"repository:a:pull"},
		Expires: time.Now().Add(time.Hour).Round(0), Accepted: true,
	}
}

func TestTokens(t *testing.T) {
	dir := t.TempDir()
	tokens := NewTokens(dir, quiet)
	if _, ok := tokens.Load(key(1)); ok {
		t.Error("a token where none was saved")
	}
	want := token("https://reg.example", "one")
	tokens.Save(key(1), want)
	got, ok := NewTokens(dir, quiet).Load(key(1)) // as the next process does
	if got.Expires = got.Expires.Local(); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("Load = %+v, %v, want %+v", got, ok, want)
	}
	tokens.Save(key(1), token("https://reg.example", "two"))
	if got, _ := tokens.Load(key(1)); got.Value != "two" {
		t.Errorf("after the second Save: %+v", got)
	}
	tokens.Delete(key(1))
	tokens.Delete(key(2))
	if _, ok := tokens.Load(key(1)); ok {
		t.Error("a token after Delete")
	}
}

func TestExpiredTokens(t *testing.T) {
	dir := t.TempDir()
	tokens := NewTokens(dir, quiet)
	old := token("https://reg.example", "old")
	old.Expires = time.Now().Add(-time.Second)
	tokens.Save(key(1), old)
	if got, ok := tokens.Load(key(1)); ok {
		t.Errorf("an expired token is given: %+v", got)
	}
	NewTokens(dir, quiet).Save(key(2), token("https://reg.example", "new"))
	if got := files(t, filepath.Join(dir, "tokens")); !reflect.DeepEqual(got, []string{key(2)}) {
		t.Errorf("after the sweep: %v", got)
	}
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	now := time.Now()
	for i := range maxEntries + 10 {
		if err := replace(root, key(i), i, now.Add(time.Duration(i+1)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	for name, at := range map[string]time.Time{
		tempPrefix + "killed": now.Add(-2 * tempAge), tempPrefix + "running": now, "README": now.Add(-24 * time.Hour),
	} {
		write(t, filepath.Join(dir, name), "x")
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	sweep(root, now)
	left := strings.Join(files(t, dir), " ")
	for name, want := range map[string]bool{
		tempPrefix + "killed": false, tempPrefix + "running": true, key(0): false, key(maxEntries + 9): true,
	} {
		if strings.Contains(left, name) != want {
			t.Errorf("%s is left: %v, want %v", name, !want, want)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestForget(t *testing.T) {
	tokens := NewTokens(t.TempDir(), quiet)
	registries := []string{"https://reg.example", "http://reg.example:5000", "https://registry-1.docker.io", "https://Reg.Example"}
	for i, r := range registries {
		tokens.Save(key(i), token(r, "x"))
	}
	tokens.Forget("reg.example")
	tokens.Forget("docker.io")
	for i, want := range []bool{false, true, false, false} {
		if _, ok := tokens.Load(key(i)); ok != want {
			t.Errorf("the token for %s is there: %v, want %v", registries[i], ok, want)
		}
	}
}

func TestUploads(t *testing.T) {
	dir := t.TempDir()
	u := NewUploads(dir, quiet)
	d := digest.FromString("x")
	u.Save("reg.example", "a/b", d, "/v2/a/b/blobs/uploads/1?state=s")
	if got := u.Load("reg.example", "a/b", d); got != "/v2/a/b/blobs/uploads/1?state=s" {
		t.Errorf("Load = %q", got)
	}
	for _, other := range [][2]string{{"reg.example", "a/c"}, {"reg2.example", "a/b"}, {"reg.example\na", "b"}} {
		if got := u.Load(other[0], other[1], d); got != "" {
			t.Errorf("Load(%q) = %q", other, got)
		}
	}
	u.Save("reg.example", "a/b", d, "")
	if got := u.Load("reg.example", "a/b", d); got != "" {
		t.Errorf("after it was forgotten: %q", got)
	}
}

// An upload that is under way is no other's, and what another does leaves it.
func TestUploadsOfAnother(t *testing.T) {
	dir := t.TempDir()
	d := digest.FromString("x")
	u, other := NewUploads(dir, quiet), NewUploads(dir, quiet) // files opened twice lock each other out
	u.Save("reg.example", "a/b", d, "/1")
	if got := other.Load("reg.example", "a/b", d); got != "" {
		t.Errorf("Load of an upload that is under way = %q", got)
	}
	other.Save("reg.example", "a/b", d, "/2")
	if got := u.Load("reg.example", "a/b", d); got != "/1" {
		t.Errorf("Load = %q", got)
	}
	u.Save("reg.example", "a/b", d, "")
	other.Save("reg.example", "a/b", d, "/2")
	if got := other.Load("reg.example", "a/b", d); got != "/2" {
		t.Errorf("after it was forgotten: %q", got)
	}
	other.Save("reg.example", "a/b", d, "")
	if got := files(t, filepath.Join(dir, "uploads")); len(got) != 0 {
		t.Errorf("left are %v", got)
	}
}

// TestManyAtOnce has many writers and readers of one entry, each as a process
// of its own would: no reader sees half of it.
func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	NewTokens(dir, quiet).Save(key(1), token("https://reg.example", strings.Repeat("x", 5000)))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			tokens := NewTokens(dir, quiet)
			for i := range 40 {
				tokens.Save(key(1), token("https://reg.example", strings.Repeat("y", 1000+i)))
				if got, ok := tokens.Load(key(1)); !ok || got.Registry != "https://reg.example" {
					t.Errorf("Load = %.40q, %v", got.Value, ok)
				}
			}
		})
	}
	wg.Wait()
	if got := files(t, filepath.Join(dir, "tokens")); len(got) != 1 {
		t.Errorf("left are %v", got)
	}
}

func TestBadEntries(t *testing.T) {
	dir := t.TempDir()
	tokens := NewTokens(dir, quiet)
	tokens.Save(key(1), token("https://reg.example", "x"))
	path := filepath.Join(dir, "tokens", key(1))
	for _, content := range []string{"", "{", "[]", "null", `{"value":"` + strings.Repeat("x", 2*maxEntry) + `"}`} {
		write(t, path, content)
		later := time.Now().Add(time.Hour)
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
		if got, ok := tokens.Load(key(1)); ok {
			t.Errorf("%.20s: Load = %.20q", content, got.Value)
		}
	}
	for _, name := range []string{"", "../x", "../../" + key(1), "/etc/passwd", key(1)[1:], key(1) + "0"} {
		tokens.Save(name, token("https://reg.example", "x"))
		tokens.Delete(name)
		if _, ok := tokens.Load(name); ok {
			t.Errorf("the key %q is taken", name)
		}
	}
	if got := files(t, dir); !reflect.DeepEqual(got, []string{"tokens"}) {
		t.Errorf("written are %v", got)
	}
}

// TestUnusableFolder goes on without a folder, and says why in the log only.
func TestUnusableFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "x")
	var log bytes.Buffer
	tokens := NewTokens(file, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	tokens.Save(key(1), token("https://reg.example", "s3cr3t"))
	if _, ok := tokens.Load(key(1)); ok {
		t.Error("a token out of nowhere")
	}
	tokens.Delete(key(1))
	tokens.Forget("reg.example")
	if n := strings.Count(log.String(), "keep nothing between runs"); n != 1 || strings.Contains(log.String(), "s3cr3t") {
		t.Errorf("the log says:\n%s", log.String())
	}
}

func TestModeOfAnExistingFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tokens"), 0o755); err != nil {
		t.Fatal(err)
	}
	NewTokens(dir, quiet).Save(key(1), token("https://reg.example", "x"))
	checkMode(t, filepath.Join(dir, "tokens"), 0o700|fs.ModeDir)
}

func checkMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != want {
		t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
	}
}
