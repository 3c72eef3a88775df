package fs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/blobtest"
)

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "blobs")
	content := blobtest.Content(1, 100_000)
	first := openDir(t, dir)
	blobtest.Put(t, first, "key", content)
	w, err := first.Create(t.Context(), "upload")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content[:7]); err != nil {
		t.Fatal(err)
	}
	w.Close()
	second := openDir(t, dir)
	if got := blobtest.Get(t, second, "key"); string(got) != string(content) {
		t.Error("other content after the store was opened again")
	}
	if w, err = second.Append(t.Context(), "upload", 7, nil); err != nil {
		t.Fatal(err)
	}
	w.Close()
}

// TestPrivate checks that other users of the machine see nothing.
func TestPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s := openDir(t, dir)
	blobtest.Put(t, s, "key", []byte("content"))
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestForeignFiles puts into the directory what is not the store's.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	blobtest.Put(t, s, "ab-key", nil)
	for _, name := range []string{"data/lost+found", "data/ab/.hidden", "data/ab/zz-misplaced", "uploads/A", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "data", "too-long"), 0o700); err != nil {
		t.Fatal(err)
	}
	for info, err := range s.List(t.Context(), "") {
		if err != nil || info.Key != "ab-key" {
			t.Errorf("listed %+v, %v", info, err)
		}
	}
}

// TestSymbolicLink has somebody put links in the place of directories.
func TestSymbolicLink(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	s := openDir(t, dir)
	if err := os.WriteFile(filepath.Join(outside, "ab-secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "data", "ab")); err != nil {
		t.Fatal(err)
	}
	if obj, err := s.Open(t.Context(), "ab-secret"); err == nil {
		obj.Close()
		t.Error("opened a file outside the directory")
	}
	if _, err := s.Create(t.Context(), "ab-new"); err == nil {
		t.Error("began an object whose directory is outside")
	}
	if err := s.Delete(t.Context(), "ab-secret"); err == nil {
		t.Error("deleted outside the directory")
	}
	if _, err := os.Stat(filepath.Join(outside, "ab-secret")); err != nil {
		t.Error(err)
	}
}

func TestOpenFails(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(name, Options{}); err == nil {
		t.Error("a file was opened as a store")
	}
}

// TestTruncatedObject loses the end of an object under the store.
func TestTruncatedObject(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir)
	content := blobtest.Content(1, 2<<20)
	d, _ := blob.NewDigester()
	_, _ = d.Write(content)
	blobtest.Put(t, s, "ab", content)
	if err := os.Truncate(filepath.Join(dir, "data", "ab", "ab"), 2<<20-1); err != nil {
		t.Fatal(err)
	}
	obj, err := s.Open(t.Context(), "ab")
	if err != nil {
		t.Fatal(err)
	}
	r := blob.NewReader(obj, d.Size(), d.Sums(), 0, 10)
	defer r.Close()
	if _, err := r.Read(make([]byte, 10)); !errors.Is(err, blob.ErrDamaged) {
		t.Errorf("read of a truncated object: %v", err)
	}
}
