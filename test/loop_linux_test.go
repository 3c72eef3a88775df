package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// disk is a file system of its own, in a file, that can lose its power.
type disk struct {
	image, dir string
	mounted    bool
}

// newDisk makes a file system of a type, ext4 or xfs, and mounts it until the
// end of the test.
func newDisk(t *testing.T, fstype, size string) *disk {
	t.Helper()
	need(t, os.Geteuid() == 0, "mounting a file system needs root")
	_, err := os.Stat("/dev/loop-control")
	need(t, err == nil, "there are no loop devices")
	_, err = exec.LookPath("mkfs." + fstype)
	need(t, err == nil, "mkfs."+fstype+" is not installed")
	d := &disk{image: filepath.Join(t.TempDir(), "image"), dir: t.TempDir()}
	command(t, "truncate", "-s", size, d.image)
	force := map[string]string{"ext4": "-F", "xfs": "-f"}
	command(t, "mkfs."+fstype, "-q", force[fstype], d.image)
	d.mount(t)
	t.Cleanup(func() {
		if d.mounted {
			d.unmount(t)
		}
	})
	return d
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func (d *disk) mount(t *testing.T) {
	t.Helper()
	command(t, "mount", "-o", "loop", d.image, d.dir)
	d.mounted = true
}

func (d *disk) unmount(t *testing.T) {
	t.Helper()
	command(t, "umount", d.dir)
	d.mounted = false
}

// Of the request that shuts a file system down: ext4 and XFS know it alike.
const (
	shutdownRequest = 0x8004587d // _IOR('X', 125, __u32)
	withoutFlush    = 2          // what the journal has not written is gone
)

// cut takes the power: from now on nothing reaches the disk, and what has not
// been synced is lost. Every later write fails.
func (d *disk) cut() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	flag := uint32(withoutFlush)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), shutdownRequest, uintptr(unsafe.Pointer(&flag)))
	runtime.KeepAlive(&flag)
	if errno != 0 {
		return fmt.Errorf("shut down %s: %w", d.dir, errno)
	}
	return nil
}

// reboot mounts the disk anew after a cut. Nobody may use it.
func (d *disk) reboot(t *testing.T) {
	t.Helper()
	d.unmount(t)
	d.mount(t)
}
