package blobtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/orlop/orlop/internal/blob"
)

func testUncommitted(t *testing.T, s blob.Store) {
	wantAbsent(t, s, "never")
	w, err := s.Create(t.Context(), "half")
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, []byte("half"))
	wantAbsent(t, s, "half")
	syncAll(t, w)
	wantAbsent(t, s, "half")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, s, "half")
}

func testAppend(t *testing.T, s blob.Store) {
	content := Content(2, 3<<20)
	w, err := s.Create(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, end := range []int{0, 1, 1 << 20, 1<<20 + 5, len(content)} {
		write(t, w, content[at:end])
		at = end
		state := syncAll(t, w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if w, err = s.Append(t.Context(), "key", int64(at), state); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "key", content)
}

func testAppendCuts(t *testing.T, s blob.Store) {
	_, err := s.Append(t.Context(), "key", 0, nil)
	wantError(t, "append to nothing", err, blob.ErrNotFound)
	w, err := s.Create(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, []byte("good"))
	state := syncAll(t, w)
	write(t, w, []byte(", and not acknowledged"))
	syncAll(t, w)
	w.Close()
	for _, offset := range []int64{27, 1 << 40, -1} {
		_, err = s.Append(t.Context(), "key", offset, state)
		wantError(t, fmt.Sprintf("append at %d", offset), err, blob.ErrShort)
	}
	if w, err = s.Append(t.Context(), "key", 4, state); err != nil {
		t.Fatal(err)
	}
	write(t, w, []byte("!"))
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "key", []byte("good!"))
	_, err = s.Append(t.Context(), "key", 4, state)
	wantError(t, "append to a committed object", err, blob.ErrNotFound)
}

func testCreateTwice(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, []byte("first"))
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	wantError(t, "create one committed", create(t, s, "key", []byte("second")), blob.ErrExists)
	wantContent(t, s, "key", []byte("first"))
}

// create writes and commits an object, for stores that say only then what is
// wrong.
func create(t *testing.T, s blob.Store, key string, content []byte) error {
	t.Helper()
	w, err := s.Create(t.Context(), key)
	if err != nil {
		return err
	}
	defer w.Close()
	write(t, w, content)
	return w.Commit()
}

func testCommitTwice(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, []byte("content"))
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err == nil {
		t.Error("a second commit is no error")
	}
	if err := w.Close(); err != nil {
		t.Errorf("close after commit: %v", err)
	}
	wantContent(t, s, "key", []byte("content"))
}

func testClosed(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, []byte("kept"))
	state := syncAll(t, w)
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write([]byte("late")); err == nil {
		t.Error("write after close is no error")
	}
	if _, err := w.Sync(); err == nil {
		t.Error("sync after close is no error")
	}
	if err := w.Commit(); err == nil {
		t.Error("commit after close is no error")
	}
	if w, err = s.Append(t.Context(), "key", 4, state); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "key", []byte("kept"))
}

func testCanceled(t *testing.T, s blob.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Create(ctx, "key")
	wantError(t, "create", err, context.Canceled)
	_, err = s.Open(ctx, "key")
	wantError(t, "open", err, context.Canceled)
	wantError(t, "delete", s.Delete(ctx, "key"), context.Canceled)
}

func testManyAtOnce(t *testing.T, s blob.Store) {
	const objects = 32
	var group sync.WaitGroup
	for i := range objects {
		group.Go(func() {
			key := fmt.Sprintf("%02x-%d", i/4, i%4) // some share a directory
			if err := writeInSlices(t.Context(), s, key, Content(uint64(i), 50_000)); err != nil {
				t.Errorf("write %s: %v", key, err)
			}
		})
		group.Go(func() {
			for _, err := range s.List(t.Context(), "") {
				if err != nil {
					t.Errorf("list: %v", err)
				}
			}
		})
	}
	group.Wait()
	infos := list(t, s, "")
	if len(infos) != objects {
		t.Errorf("listed %d objects, want %d", len(infos), objects)
	}
	for i, info := range infos {
		if !info.Committed {
			t.Errorf("object %s is not committed", info.Key)
			continue
		}
		wantContent(t, s, info.Key, Content(uint64(i), 50_000))
	}
}

func writeInSlices(ctx context.Context, s blob.Store, key string, content []byte) error {
	w, err := s.Create(ctx, key)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(content, 7_000) {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Commit()
}
