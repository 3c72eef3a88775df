package fs

import (
	"syscall"
	"testing"

	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/blob/faultfs"
)

// TestDirectoryOfAnEarlierProcess cuts the power after an object was committed
// to a directory which an earlier process made and did not live to sync.
func TestDirectoryOfAnEarlierProcess(t *testing.T) {
	files := faultfs.New()
	killed, err := OpenFS(files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := killed.Create(t.Context(), "aa-first")
	if err != nil {
		t.Fatal(err)
	}
	files.FailAt(files.Calls()+3, syscall.EIO) // sync, mkdir, sync of data
	if err := w.Commit(); err == nil {
		t.Fatal("the commit did not fail")
	}
	s, err := OpenFS(files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, known := s.shards.Load("aa"); !known {
		t.Fatal("the directory was not made")
	}
	blobtest.Put(t, s, "aa-second", []byte("content"))
	if s, err = OpenFS(files.Reboot(faultfs.KeepNothing), Options{}); err != nil {
		t.Fatal(err)
	}
	if got := blobtest.Get(t, s, "aa-second"); string(got) != "content" {
		t.Errorf("after the power cut: %q", got)
	}
}

// TestBothNames finds a committed object under its old name too, as a power
// cut may leave it.
func TestBothNames(t *testing.T) {
	files := faultfs.New()
	s, err := OpenFS(files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	blobtest.Put(t, s, "key", []byte("content"))
	old, err := files.Create(uploadName("key"))
	if err != nil {
		t.Fatal(err)
	}
	old.Close()
	found := 0
	for info, err := range s.List(t.Context(), "") {
		if err != nil || !info.Committed || info.Size != int64(len("content")) {
			t.Errorf("listed %+v, %v", info, err)
		}
		found++
	}
	if found != 1 {
		t.Errorf("listed %d times", found)
	}
	if err := s.Delete(t.Context(), "key"); err != nil {
		t.Fatal(err)
	}
	for info := range s.List(t.Context(), "") {
		t.Errorf("after its deletion there is %+v", info)
	}
}
