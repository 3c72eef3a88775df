package mem

import (
	"errors"
	"testing"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/blobtest"
)

func TestStore(t *testing.T) {
	blobtest.Run(t, func(*testing.T) blob.Store { return New(Options{}) })
}

func TestFull(t *testing.T) {
	s := New(Options{Capacity: 10})
	blobtest.Put(t, s, "first", []byte("12345678"))
	w, err := s.Create(t.Context(), "second")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("12")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("3")); !errors.Is(err, blob.ErrFull) {
		t.Fatalf("write into a full store: %v", err)
	}
	if err := w.Commit(); !errors.Is(err, blob.ErrFull) {
		t.Errorf("commit of what failed: %v", err)
	}
	w.Close()
	if got := blobtest.Get(t, s, "first"); string(got) != "12345678" {
		t.Errorf("the first object is %q", got)
	}
	blobtest.Put(t, s, "third", []byte("12"))
}
