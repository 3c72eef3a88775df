//go:build !windows

package state

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
)

// The test binary plays another process: save DIR keeps a token under umask 0,
// upload DIR remembers an upload and ends.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "save" {
		syscall.Umask(0)
		NewTokens(os.Args[2], quiet).Save(key(1), token("https://reg.example", "x"))
		os.Exit(0)
	}
	if len(os.Args) > 2 && os.Args[1] == "upload" {
		NewUploads(os.Args[2], quiet).Save("reg.example", "a", digest.FromString("x"), "/1")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestUploadOfAProcessThatHasEnded is there for the next process.
func TestUploadOfAProcessThatHasEnded(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), os.Args[0], "upload", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := NewUploads(dir, quiet).Load("reg.example", "a", digest.FromString("x")); got != "/1" {
		t.Errorf("Load = %q", got)
	}
}

func TestUmask(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache", "orlop")
	if out, err := exec.CommandContext(t.Context(), os.Args[0], "save", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	checkMode(t, filepath.Join(dir, "tokens"), 0o700|os.ModeDir)
	checkMode(t, filepath.Join(dir, "tokens", key(1)), 0o600)
	checkMode(t, dir, 0o700|os.ModeDir)
}

// TestFolderOfAnother leaves a folder alone that another user could read, be it
// by a link.
func TestFolderOfAnother(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make a folder that belongs to another user")
	}
	const nobody = 65534
	dir := t.TempDir()
	theirs := filepath.Join(dir, "theirs")
	for _, name := range []string{"theirs", "a", "b", "c", filepath.Join("a", "tokens")} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"b", "c"} {
		if err := os.Symlink(theirs, filepath.Join(dir, link, "tokens")); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{theirs, filepath.Join(dir, "a", "tokens"), filepath.Join(dir, "c", "tokens")} {
		if err := os.Lchown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		tokens := NewTokens(filepath.Join(dir, name), quiet)
		tokens.Save(key(1), token("https://reg.example", "x"))
		if _, ok := tokens.Load(key(1)); ok {
			t.Errorf("%s: a token was kept", name)
		}
	}
	if got := files(t, theirs); len(got) != 0 {
		t.Errorf("the other's folder has %v", got)
	}
}
