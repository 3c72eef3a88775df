package test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// mountSmall mounts a file system in memory of the given size until the end of
// the test.
func mountSmall(t *testing.T, size string) string {
	t.Helper()
	need(t, os.Geteuid() == 0, "mounting a small file system needs root")
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		need(t, false, "cannot mount a tmpfs: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// TestFullRealDisk is TestFullDisk on the file systems that servers have: these promise space before
// they have found it, and keep some for themselves.
func TestFullRealDisk(t *testing.T) {
	for _, fstype := range []string{"ext4", "xfs"} {
		for name, size := range map[string]int{"files": 1 << 20, "database": 4 << 10} {
			t.Run(fstype+"/"+name, func(t *testing.T) {
				d := newDisk(t, fstype, "320M")
				var st unix.Statfs_t
				if err := unix.Statfs(d.dir, &st); err != nil {
					t.Fatal(err)
				}
				const room = 20 << 20
				f, err := os.Create(filepath.Join(d.dir, "filler"))
				if err != nil {
					t.Fatal(err)
				}
				err = errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize-room), f.Close())
				if err != nil {
					t.Fatal(err)
				}
				testFullDisk(t, d.dir, size)
			})
		}
	}
}

// linkCount is how many names a file has.
func linkCount(info os.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Nlink) }
