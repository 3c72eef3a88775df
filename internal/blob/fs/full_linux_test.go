package fs

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/blobtest"
)

// smallDisk mounts a file system of 8 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a small file system: %v", err)
		}
		t.Skipf("a small file system cannot be mounted (are you root?): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestDiskFull fills a disk: the upload fails, its space is free again, what
// was there can be read, and another upload succeeds.
func TestDiskFull(t *testing.T) {
	dir := smallDisk(t)
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept := blobtest.Content(1, 3<<20)
	blobtest.Put(t, s, "kept", kept)
	free := freeBlocks(t, dir)

	w, err := s.Create(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	part := blobtest.Content(2, 1<<20)
	for range 8 {
		if _, err = w.Write(part); err != nil {
			break
		}
	}
	if !errors.Is(err, blob.ErrFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("write to a full disk: %v", err)
	}
	if err := w.Commit(); !errors.Is(err, blob.ErrFull) {
		t.Errorf("commit of what failed: %v", err)
	}
	w.Close()
	if now := freeBlocks(t, dir); now != free {
		t.Errorf("%d blocks are free, %d were", now, free)
	}
	if string(blobtest.Get(t, s, "kept")) != string(kept) {
		t.Error("an object changed when the disk was full")
	}
	blobtest.Put(t, s, "next", part)
}

func freeBlocks(t *testing.T, dir string) uint64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return st.Bfree
}
