package layout_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
)

// A full disk refuses, leaves nothing half done, and still reads.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t)
	r := create(t, dir)
	push(t, r, "text", "tag")
	large := strings.Repeat("x", 1<<20)
	if _, err := tryPush(t, r, large, "large"); !errors.Is(err, orlop.ErrStorageFull) {
		t.Errorf("push: %v", err)
	}
	w, err := r.Upload(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write([]byte(large)); !errors.Is(err, orlop.ErrStorageFull) {
		t.Errorf("upload wrote %d, %v", n, err)
	}
	if _, err := w.Commit(t.Context(), digest.FromString(large)); !errors.Is(err, orlop.ErrStorageFull) {
		t.Errorf("commit: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ballast"), []byte(large), 0o644); err == nil {
		t.Fatal("the disk is not full")
	}
	if _, err := tryPush(t, r, "more", "tag"); !errors.Is(err, orlop.ErrStorageFull) {
		t.Errorf("push of little: %v", err)
	}
	wantText(t, r, "tag", "text")
	wantText(t, create(t, dir), "tag", "text")
	if err := w.Cancel(t.Context()); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "ingest", "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	push(t, r, "more", "tag")
	wantText(t, r, "tag", "more")
}

// A tar file that does not fit is an error, and what did fit can still be
// committed; dropped, it gives all back.
func TestFullDiskTar(t *testing.T) {
	dir := smallDisk(t)
	name := filepath.Join(dir, "layout.tar")
	r := createTar(t, name)
	large := strings.Repeat("x", 1<<20)
	if _, err := tryPush(t, r, large, "large"); !errors.Is(err, orlop.ErrStorageFull) {
		t.Errorf("push: %v", err)
	}
	push(t, r, "text", "tag") // a failed blob gives back its bytes
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, []byte(large), 0o644); err == nil {
		t.Fatal("the disk is not full")
	}
	if _, err := tryPush(t, r, strings.Repeat("more", 10_000), "more"); !errors.Is(err, orlop.ErrStorageFull) {
		t.Errorf("push: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	commit(t, r)
	read, err := layout.OpenTar(name)
	wantText(t, opened(t, read, err), "tag", "text")
	wantFiles(t, dir, "layout.tar")
}

// smallDisk returns a directory that holds 256 KiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}
