package faultfs

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"syscall"
	"testing"

	"github.com/orlop/orlop/internal/blob/fs/fsys"
)

// must fails the test at an error that the simulation should not give.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, f *FS, name string, content string) fsys.File {
	t.Helper()
	file, err := f.Create(name)
	must(t, err)
	_, err = file.Write([]byte(content))
	must(t, err)
	return file
}

// read gives the content of a file, and whether it is there.
func read(t *testing.T, f *FS, name string) (string, bool) {
	t.Helper()
	file, err := f.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	must(t, err)
	size, err := file.Size()
	must(t, err)
	content := make([]byte, size)
	_, err = file.ReadAt(content, 0)
	must(t, err)
	return string(content), true
}

func TestPowerCut(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(f *FS, file fsys.File) error
		want string // of the file, "-" if it is not there
	}{
		{"nothing synced", func(*FS, fsys.File) error { return nil }, "-"},
		{"content synced", func(_ *FS, file fsys.File) error { return file.Sync() }, "-"},
		{"name synced", func(f *FS, _ fsys.File) error { return f.SyncDir("a") }, ""},
		{"both synced", func(f *FS, file fsys.File) error { return errors.Join(file.Sync(), f.SyncDir("a")) }, "content"},
		{"written again", func(f *FS, file fsys.File) error {
			err := errors.Join(file.Sync(), f.SyncDir("a"))
			_, writeErr := file.Write([]byte(", and more"))
			return errors.Join(err, writeErr)
		}, "content"},
		{"cut", func(f *FS, file fsys.File) error {
			return errors.Join(file.Sync(), f.SyncDir("a"), file.Truncate(1))
		}, "content"},
		{"removed", func(f *FS, file fsys.File) error {
			return errors.Join(file.Sync(), f.SyncDir("a"), f.Remove("a/file"))
		}, "content"},
		{"removed and synced", func(f *FS, file fsys.File) error {
			return errors.Join(file.Sync(), f.SyncDir("a"), f.Remove("a/file"), f.SyncDir("a"))
		}, "-"},
		{"failed sync", func(f *FS, file fsys.File) error {
			must(t, f.SyncDir("a"))
			f.FailAt(f.Calls()+1, syscall.EIO)
			if err := file.Sync(); !errors.Is(err, syscall.EIO) {
				t.Errorf("sync: %v", err)
			}
			return file.Sync()
		}, ""},
	} {
		f := New()
		must(t, f.Mkdir("a"))
		must(t, f.SyncDir("."))
		must(t, test.do(f, create(t, f, "a/file", "content")))
		got, there := read(t, f.Reboot(KeepNothing), "a/file")
		if !there {
			got = "-"
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestRename finds a renamed file under the names that are allowed after the
// directories given were synced.
func TestRename(t *testing.T) {
	for _, test := range []struct {
		sync     []string
		from, to bool // found with KeepNothing
	}{
		{nil, true, false},
		{[]string{"a"}, true, false},
		{[]string{"b"}, true, true},
		{[]string{"b", "a"}, false, true},
		{[]string{"a", "b"}, true, true},
	} {
		for seed := range int64(50) {
			f := New()
			must(t, errors.Join(f.Mkdir("a"), f.Mkdir("b"), f.SyncDir(".")))
			must(t, create(t, f, "a/file", "content").Sync())
			must(t, f.SyncDir("a"))
			must(t, f.Rename("a/file", "b/file"))
			for _, dir := range test.sync {
				must(t, f.SyncDir(dir))
			}
			f = f.Reboot(seed)
			_, from := read(t, f, "a/file")
			_, to := read(t, f, "b/file")
			if !from && !to {
				t.Errorf("synced %v, seed %d: the file is lost", test.sync, seed)
			}
			if seed == KeepNothing && (from != test.from || to != test.to) {
				t.Errorf("synced %v: %v, %v", test.sync, from, to)
			}
			if seed == KeepAll && (from || !to) {
				t.Errorf("synced %v, all kept: %v, %v", test.sync, from, to)
			}
		}
	}
}

func TestUnsyncedDirectoryIsLost(t *testing.T) {
	f := New()
	must(t, f.Mkdir("a"))
	must(t, create(t, f, "a/file", "content").Sync())
	must(t, f.SyncDir("a"))
	if _, there := read(t, f.Reboot(KeepNothing), "a/file"); there {
		t.Error("a file survives in a directory that does not")
	}
}

// TestSeeds sees that chance leaves torn content sometimes, and that the same
// seed leaves the same.
func TestSeeds(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 4*block)
	outcome := func(seed int64) string {
		f := New()
		create(t, f, "file", string(content))
		must(t, f.SyncDir("."))
		got, _ := read(t, f.Reboot(seed), "file")
		return got
	}
	torn := 0
	for seed := range int64(100) {
		got := outcome(seed)
		if got != "" && got != string(content) {
			torn++
		}
		if outcome(seed) != got {
			t.Errorf("seed %d has two outcomes", seed)
		}
	}
	if torn == 0 {
		t.Error("no file is ever torn")
	}
}

func TestCrash(t *testing.T) {
	f := New()
	file := create(t, f, "file", "")
	f.CrashAt(f.Calls() + 1)
	if n, err := file.Write([]byte("1234")); n != 2 || !errors.Is(err, ErrCrashed) {
		t.Errorf("write at the crash: %d, %v", n, err)
	}
	calls := f.Calls()
	_, createErr := f.Create("other")
	_, openErr := f.Open("file")
	_, appendErr := f.Append("file")
	_, statErr := f.Stat("file")
	_, dirErr := f.ReadDir(".")
	_, sizeErr := file.Size()
	n, writeErr := file.Write([]byte("1234"))
	_, readErr := file.ReadAt(make([]byte, 1), 0)
	for _, err := range []error{
		createErr, openErr, appendErr, statErr, dirErr, sizeErr, writeErr, readErr, file.Sync(), file.Truncate(0),
		f.Mkdir("a"), f.Rename("file", "b"), f.Remove("file"), f.SyncDir("."),
	} {
		if !errors.Is(err, ErrCrashed) {
			t.Errorf("after the crash: %v", err)
		}
	}
	if n > 0 || f.Calls() != calls || !f.Crashed() {
		t.Errorf("after the crash %d bytes were written, %d calls counted", n, f.Calls()-calls)
	}
	if got, _ := read(t, f.Reboot(KeepAll), "file"); got != "12" {
		t.Errorf("the torn write left %q", got)
	}
}

func TestErrors(t *testing.T) {
	f := New()
	must(t, f.Mkdir("a"))
	create(t, f, "file", "")
	_, missing := f.Create("none/file")
	_, underFile := f.Create("file/file")
	_, exists := f.Create("a")
	_, outside := f.Open("../file")
	_, isDir := f.Open("a")
	for _, test := range []struct{ got, want error }{
		{missing, fs.ErrNotExist}, {underFile, syscall.ENOTDIR}, {exists, fs.ErrExist}, {outside, fs.ErrInvalid},
		{isDir, syscall.EISDIR}, {f.Rename("none", "b"), fs.ErrNotExist}, {f.Rename("file", "a"), fs.ErrExist},
		{f.Remove("none"), fs.ErrNotExist}, {f.SyncDir("file"), syscall.ENOTDIR}, {f.Mkdir("a"), fs.ErrExist},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("%v, want %v", test.got, test.want)
		}
	}
	names, err := f.ReadDir(".")
	if err != nil || !slices.Equal(names, []string{"a", "file"}) {
		t.Errorf("read directory: %v, %v", names, err)
	}
}
