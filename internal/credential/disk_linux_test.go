package credential

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestFullDiskKeepsTheFile(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	path := filepath.Join(dir, "config.json")
	if err := put(path, "reg.example", "p"); err != nil {
		t.Fatal(err)
	}
	before := read(t, path)
	if err := put(path, "reg.example", strings.Repeat("x", 64<<10)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Put on a full disk: %v", err)
	}
	if read(t, path) != before {
		t.Error("the file changed")
	}
	if err := put(path, "two.example", "p"); err != nil {
		t.Errorf("after the full disk: %v", err)
	}
}
