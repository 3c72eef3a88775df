package blobtest

import (
	"bytes"
	"testing"

	"github.com/orlop/orlop/internal/blob"
)

func testDelete(t *testing.T, s blob.Store) {
	if err := s.Delete(t.Context(), "absent"); err != nil {
		t.Errorf("delete an absent object: %v", err)
	}
	w, err := s.Create(t.Context(), "begun")
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	Put(t, s, "committed", []byte("content"))
	for _, key := range []string{"begun", "committed"} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		wantAbsent(t, s, key)
		_, err := s.Append(t.Context(), key, 0, nil)
		wantError(t, "append to a deleted object", err, blob.ErrNotFound)
	}
	if infos := list(t, s, ""); len(infos) > 0 {
		t.Errorf("listed after all were deleted: %v", infos)
	}
}

func testDeleteUnderWriter(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	write(t, w, []byte("content"))
	if err := s.Delete(t.Context(), "key"); err != nil {
		t.Fatal(err)
	}
	// A store that has not been told of the object by then brings it back.
	if err := w.Commit(); err == nil {
		wantContent(t, s, "key", []byte("content"))
		if err := s.Delete(t.Context(), "key"); err != nil {
			t.Fatal(err)
		}
	}
	wantAbsent(t, s, "key")
}

func testDeleteUnderReader(t *testing.T, s blob.Store) {
	content := Content(3, 100)
	Put(t, s, "key", content)
	obj, err := s.Open(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	if err := s.Delete(t.Context(), "key"); err != nil {
		t.Fatal(err)
	}
	// Whether the bytes are still there is left to the store; others are wrong.
	got := make([]byte, len(content))
	if _, err := obj.ReadAt(got, 0); err == nil && !bytes.Equal(got, content) {
		t.Error("an object deleted under its reader has changed")
	}
}
