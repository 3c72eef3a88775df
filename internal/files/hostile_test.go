//go:build linux

package files

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Another process swaps a folder for a link to the outside, and back, all the
// time: nothing may ever arrive outside.
func TestSwapRace(t *testing.T) {
	b := newBox(t, TargetOptions{})
	b.write(t, "out/d/mine", "mine")
	b.symlink(t, "../outside", "out/link")
	path := func(name string) string { return filepath.Join(b.dir, "out", name) }
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, path("d"), unix.AT_FDCWD, path("link"), unix.RENAME_EXCHANGE)
			}
		}
	})
	packed := archive(t, dir("d"), reg("d/sub/evil", "x"), reg("d/evil", "x"))
	done := 0
	for i := range 200 {
		content := fmt.Sprint(i)
		if _, err := b.target.Restore(t.Context(), "d/f"+content, describeString(content), serve(content, nil)); err == nil {
			done++
		}
		if b.unpack(t, packed) == nil {
			done++
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("%d of 400 succeeded", done)
	for name := range b.tree(t) {
		if strings.HasPrefix(name, "outside/") && name != "outside/secret" {
			t.Errorf("%s arrived outside", name)
		}
	}
}

// The same with what is being unpacked, in our folder.
func TestSwapRaceWhileUnpacking(t *testing.T) {
	b := newBox(t, TargetOptions{})
	b.symlink(t, "../../outside", "out/link")
	link := filepath.Join(b.dir, "out", "link")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			subs, _ := filepath.Glob(filepath.Join(b.dir, "out", ".orlop-*.tmp", "sub"))
			for range 100 {
				for _, sub := range subs {
					unix.Renameat2(unix.AT_FDCWD, sub, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	all := []testEntry{dir("d"), dir("d/sub")}
	for i := range 10 {
		all = append(all, reg(fmt.Sprintf("d/sub/f%d", i), "x"), reg(fmt.Sprintf("d/f%d", i), "x"), dir(fmt.Sprintf("d/sub/g%d", i)),
			symlink(fmt.Sprintf("d/sub/l%d", i), "f0"), hardlink(fmt.Sprintf("d/sub/h%d", i), "d/sub/f0"))
	}
	packed := archive(t, all...)
	done := 0
	for range 200 {
		if b.unpack(t, packed) == nil {
			done++
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("%d of 200 succeeded", done)
	if left, err := os.ReadDir(filepath.Join(b.dir, "outside")); err != nil || len(left) != 1 {
		t.Errorf("outside: %v, %v", left, err)
	}
}

func TestFullDisk(t *testing.T) {
	b := newBox(t, TargetOptions{})
	disk := filepath.Join(b.dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(disk, 0) })
	target, err := OpenTarget(disk, TargetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	b.write(t, "disk/f", "good")
	large := strings.Repeat("x", 2<<20)
	packed := archive(t, dir("d"), reg("d/a", "a"), reg("d/large", large))
	for range 2 { // the first failure gives the space back
		_, err := target.Restore(t.Context(), "f", describeString(large), serve(large, nil))
		if !errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), ".orlop-") {
			t.Errorf("file: %v", err)
		}
		_, err = target.Restore(t.Context(), "d", describeArchive(packed), serve(packed, nil))
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("directory: %v", err)
		}
		b.wantTree(t, map[string]string{"disk": "", "disk/f": "good"})
	}
	small := strings.Repeat("x", 900<<10)
	if _, err := target.Restore(t.Context(), "f", describeString(small), serve(small, nil)); err != nil {
		t.Errorf("after the failures: %v", err)
	}
}

func TestFullDiskWhilePacking(t *testing.T) {
	inDir(t, map[string]string{"disk/": ""})
	if err := syscall.Mount("tmpfs", "disk", "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount("disk", 0) })
	os.Mkdir("tree", 0o755)
	random := make([]byte, 2<<20)
	rand.NewChaCha8([32]byte{}).Read(random)
	if err := os.WriteFile("tree/f", random, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, o := range []LoadOptions{{}, {Compression: None}, {Stdin: bytes.NewReader(random)}} {
		o.TempDir = "disk"
		arg := Arg{"tree", ""}
		if o.Stdin != nil {
			arg.Path = "-"
		}
		if _, err := Load(t.Context(), []Arg{arg}, o); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%+v: %v", o, err)
		}
		if left, err := os.ReadDir("disk"); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}

func TestUnpackIntoAMountPoint(t *testing.T) {
	b := newBox(t, TargetOptions{})
	b.write(t, "out/d/hidden", "")
	mount := filepath.Join(b.dir, "out", "d")
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(mount, 0) })
	b.write(t, "out/d/f", "old")
	if err := b.unpack(t, archive(t, dir("d"), reg("d/f", "new"), reg("d/sub/g", "g"))); err != nil {
		t.Error(err)
	}
	b.wantTree(t, map[string]string{"out/d": "", "out/d/f": "new", "out/d/sub": "", "out/d/sub/g": "g"})
}

func TestSpecialFilesInTheWay(t *testing.T) {
	b := newBox(t, TargetOptions{})
	pipe := filepath.Join(b.dir, "out", "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.target.Restore(t.Context(), "pipe", describeString("x"), serve("x", nil)); err == nil {
		t.Error("a pipe was replaced")
	}
	t.Chdir(filepath.Join(b.dir, "out"))
	if _, err := Load(t.Context(), []Arg{{"pipe", ""}}, LoadOptions{}); err == nil {
		t.Error("a pipe was read")
	}
}
