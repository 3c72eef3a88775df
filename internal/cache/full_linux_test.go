package cache

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFullDisk reads on when nothing can be kept, and says so once.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(disk, "cache")
	var warnings []error
	c, err := Open(dir, Options{Warn: func(err error) { warnings = append(warnings, err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	o := newOrigin()
	small, smallDigest := o.blob(t, 1000, 1)
	mustRead(t, c.Reader(o), smallDigest, small)
	for i := range 3 {
		content, dgst := o.blob(t, 2<<20, uint64(2+i))
		mustRead(t, c.Reader(o), dgst, content)
	}
	mustRead(t, c.Reader(o), smallDigest, small)
	if o.times(smallDigest) != 1 || len(warnings) != 1 || bytes.Contains([]byte(warnings[0].Error()), []byte(ingestDir)) {
		t.Errorf("warnings: %v", warnings)
	}
	noTemps(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "room"), make([]byte, 500_000), 0o600); err != nil {
		t.Errorf("the half of a blob is still there: %v", err)
	}
}
