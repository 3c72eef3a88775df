package cache

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
)

// TestDamage fetches again what is damaged, and heals it.
func TestDamage(t *testing.T) {
	for _, size := range []int{10, 3 << 20} {
		o, dir := newOrigin(), t.TempDir()
		content, dgst := o.blob(t, size, 1)
		mustRead(t, open(t, dir, Options{}).Reader(o), dgst, content)
		flipped := bytes.Clone(content)
		flipped[size-1] ^= 1
		asked := 1
		for name, damaged := range map[string][]byte{
			"flipped": flipped, "cut": content[:size-1], "empty": nil, "long": append(bytes.Clone(content), 0),
		} {
			replace(t, blobPath(dir, dgst), damaged)
			if _, err := read(t.Context(), open(t, dir, Options{}).Reader(o), dgst, 5, -1); err != nil {
				t.Errorf("%s: range: %v", name, err)
			}
			asked++
			if _, err := os.Stat(blobPath(dir, dgst)); err == nil {
				t.Errorf("%s: the damage is still there", name)
			}
			for range 2 {
				mustRead(t, open(t, dir, Options{}).Reader(o), dgst, content)
			}
			if asked++; o.times(dgst) != asked {
				t.Errorf("%s: the registry was asked %d times, want %d", name, o.times(dgst), asked)
			}
		}
	}
}

// TestDamageElsewhere replaces damage in a layout that is not ours, and removes
// nothing.
func TestDamageElsewhere(t *testing.T) {
	o, dir := newOrigin(), t.TempDir()
	l, err := layout.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	content, dgst := o.blob(t, 100, 1)
	if err := l.PushBlob(t.Context(), repo, orlop.Descriptor{Digest: dgst, Size: 100}, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	replace(t, blobPath(dir, dgst), []byte("damage"))
	if _, err := read(t.Context(), open(t, dir, Options{}).Reader(o), dgst, 5, -1); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile(blobPath(dir, dgst)); string(raw) != "damage" {
		t.Errorf("%q, %v", raw, err)
	}
	mustRead(t, open(t, dir, Options{}).Reader(o), dgst, content)
	if raw, err := os.ReadFile(blobPath(dir, dgst)); !bytes.Equal(raw, content) {
		t.Errorf("not replaced: %v", err)
	}
}

// TestChangedWhileRead finds that a file is written to by someone while it is
// given out.
func TestChangedWhileRead(t *testing.T) {
	o, dir := newOrigin(), t.TempDir()
	content, dgst := o.blob(t, 3<<20, 1)
	r := open(t, dir, Options{}).Reader(o)
	mustRead(t, r, dgst, content)
	for name, change := range map[string]func(path string) error{
		"overwritten": func(path string) error { return os.WriteFile(path, make([]byte, len(content)), 0) },
		"cut":         func(path string) error { return os.Truncate(path, 2<<20) },
	} {
		replace(t, blobPath(dir, dgst), content)
		b, err := r.OpenBlob(t.Context(), repo, dgst, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, b, 1<<20); err != nil {
			t.Fatal(err)
		}
		if err := change(blobPath(dir, dgst)); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, b); n >= 2<<20 || !errors.Is(err, orlop.ErrDamaged) {
			t.Errorf("%s: %d more bytes, %v", name, n, err)
		}
		b.Close()
	}
}

// TestNotAFile takes nothing but a file for content.
func TestNotAFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege")
	}
	outside := filepath.Join(t.TempDir(), "outside")
	o := newOrigin()
	content, dgst := o.blob(t, 100, 1)
	if err := os.WriteFile(outside, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, place := range map[string]func(path string) error{
		"link":      func(path string) error { return os.Symlink(outside, path) },
		"loop":      func(path string) error { return os.Symlink(path, path) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":      mkfifo,
	} {
		dir := t.TempDir()
		warned := false
		open(t, dir, Options{})
		if err := os.MkdirAll(filepath.Dir(blobPath(dir, dgst)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := place(blobPath(dir, dgst)); err != nil {
			t.Fatal(err)
		}
		asked := o.times(dgst)
		mustRead(t, open(t, dir, Options{Warn: func(error) { warned = true }}).Reader(o), dgst, content)
		if o.times(dgst) == asked {
			t.Errorf("%s: it was read", name)
		}
		if warned != (name == "directory") { // which cannot be replaced
			t.Errorf("%s: warned: %t", name, warned)
		}
	}
}

// TestLeadsOutside uses no directory that a symbolic link has taken out of the
// cache.
func TestLeadsOutside(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege")
	}
	for _, name := range []string{"blobs", "blobs/sha256", ingestDir} {
		o, dir, outside := newOrigin(), t.TempDir(), t.TempDir()
		open(t, dir, Options{}).Close()
		link := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.RemoveAll(link); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, link); err != nil {
			t.Fatal(err)
		}
		warnings := 0
		content, dgst := o.blob(t, 100, 1)
		r := open(t, dir, Options{MaxSize: 1000, Warn: func(error) { warnings++ }}).Reader(o)
		for range 3 {
			mustRead(t, r, dgst, content)
		}
		if warnings != 1 {
			t.Errorf("%s: %d warnings", name, warnings)
		}
		if left, _ := os.ReadDir(outside); len(left) > 0 {
			t.Errorf("%s: %v was written outside", name, left)
		}
	}
}

// TestReadOnly uses a cache that cannot be written to.
func TestReadOnly(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("permissions are not for root")
	}
	o, dir := newOrigin(), t.TempDir()
	content, dgst := o.blob(t, 100, 1)
	other, otherDigest := o.blob(t, 100, 2)
	mustRead(t, open(t, dir, Options{}).Reader(o), dgst, content)
	for _, name := range []string{ingestDir, "blobs/sha256", "."} {
		if err := os.Chmod(filepath.Join(dir, name), 0o500); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(filepath.Join(dir, name), 0o700) })
	}
	warnings := 0
	r := open(t, dir, Options{Warn: func(error) { warnings++ }}).Reader(o)
	for range 2 {
		mustRead(t, r, dgst, content)
		mustRead(t, r, otherDigest, other)
	}
	if o.times(dgst) != 1 || o.times(otherDigest) != 2 || warnings != 1 {
		t.Errorf("asked %d and %d times, %d warnings", o.times(dgst), o.times(otherDigest), warnings)
	}
}

// TestOpenRefuses makes no cache of a directory with other things in it.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{dir, file, filepath.Join(file, "x")} {
		if _, err := Open(dir, Options{}); err == nil {
			t.Errorf("%s was opened", dir)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the directory has %v", entries)
	}
	if _, err := Open(dir, Options{}); !strings.Contains(err.Error(), "not empty") {
		t.Error(err)
	}
}
