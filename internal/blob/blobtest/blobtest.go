// Package blobtest is the suite that every blob.Store passes.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/orlop/orlop/internal/blob"
)

// Run runs the suite. Every test opens a store of its own, which is empty and
// which open sees to closing.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, blob.Store)
	}{
		{"Content", testContent},
		{"Uncommitted", testUncommitted},
		{"Append", testAppend},
		{"AppendCuts", testAppendCuts},
		{"CreateTwice", testCreateTwice},
		{"CommitTwice", testCommitTwice},
		{"Closed", testClosed},
		{"Delete", testDelete},
		{"DeleteUnderWriter", testDeleteUnderWriter},
		{"DeleteUnderReader", testDeleteUnderReader},
		{"List", testList},
		{"ListStops", testListStops},
		{"HostileKeys", testHostileKeys},
		{"LongestKey", testLongestKey},
		{"Canceled", testCanceled},
		{"ManyAtOnce", testManyAtOnce},
		{"ReadAtOnce", testReadAtOnce},
		{"Pieces", testPieces},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// Content is n bytes that look random and are the same for the same seed.
func Content(seed uint64, n int) []byte {
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	content := make([]byte, n)
	_, _ = random.Read(content)
	return content
}

// Put writes and commits an object.
func Put(t *testing.T, s blob.Store, key string, content []byte) {
	t.Helper()
	w, err := s.Create(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, content)
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

// Get reads a committed object.
func Get(t *testing.T, s blob.Store, key string) []byte {
	t.Helper()
	obj, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	content, err := io.ReadAll(io.NewSectionReader(obj, 0, obj.Size()+1))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(content)) != obj.Size() {
		t.Fatalf("object %s has %d bytes, its size is %d", key, len(content), obj.Size())
	}
	return content
}

func write(t *testing.T, w blob.Writer, content []byte) {
	t.Helper()
	if n, err := w.Write(content); err != nil || n != len(content) {
		t.Fatalf("write %d bytes: %d, %v", len(content), n, err)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func wantAbsent(t *testing.T, s blob.Store, key string) {
	t.Helper()
	obj, err := s.Open(t.Context(), key)
	wantError(t, "open "+key, err, blob.ErrNotFound)
	if err == nil {
		obj.Close()
	}
}

func wantContent(t *testing.T, s blob.Store, key string, want []byte) {
	t.Helper()
	if got := Get(t, s, key); !bytes.Equal(got, want) {
		t.Errorf("object %s: %d bytes, want other %d", key, len(got), len(want))
	}
}

func testContent(t *testing.T, s blob.Store) {
	for i, size := range []int{0, 1, 4096, blob.PieceSize, 5<<20 + 17} {
		key := fmt.Sprintf("content-%d", i)
		content := Content(1, size)
		Put(t, s, key, content)
		wantContent(t, s, key, content)
	}
}

func testUncommitted(t *testing.T, s blob.Store) {
	wantAbsent(t, s, "never")
	w, err := s.Create(t.Context(), "half")
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, []byte("half"))
	wantAbsent(t, s, "half")
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
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
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if w, err = s.Append(t.Context(), "key", int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "key", content)
}

func testAppendCuts(t *testing.T, s blob.Store) {
	_, err := s.Append(t.Context(), "key", 0)
	wantError(t, "append to nothing", err, blob.ErrNotFound)
	w, err := s.Create(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, []byte("good, and not acknowledged"))
	w.Close()
	for _, offset := range []int64{27, 1 << 40, -1} {
		_, err = s.Append(t.Context(), "key", offset)
		wantError(t, fmt.Sprintf("append at %d", offset), err, blob.ErrShort)
	}
	if w, err = s.Append(t.Context(), "key", 4); err != nil {
		t.Fatal(err)
	}
	write(t, w, []byte("!"))
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "key", []byte("good!"))
	_, err = s.Append(t.Context(), "key", 5)
	wantError(t, "append to a committed object", err, blob.ErrNotFound)
}

func testCreateTwice(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(t.Context(), "key")
	wantError(t, "create one begun", err, blob.ErrExists)
	write(t, w, []byte("first"))
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(t.Context(), "key")
	wantError(t, "create one committed", err, blob.ErrExists)
	wantContent(t, s, "key", []byte("first"))
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
	for range 2 {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write([]byte("late")); err == nil {
		t.Error("write after close is no error")
	}
	if err := w.Sync(); err == nil {
		t.Error("sync after close is no error")
	}
	if err := w.Commit(); err == nil {
		t.Error("commit after close is no error")
	}
	if w, err = s.Append(t.Context(), "key", 4); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, s, "key", []byte("kept"))
}

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
		_, err := s.Append(t.Context(), key, 0)
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
	if err := w.Commit(); err == nil {
		t.Error("commit of a deleted object is no error")
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

func list(t *testing.T, s blob.Store, after string) []blob.Info {
	t.Helper()
	var infos []blob.Info
	for info, err := range s.List(t.Context(), after) {
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	return infos
}

func testList(t *testing.T, s blob.Store) {
	if infos := list(t, s, ""); len(infos) > 0 {
		t.Fatalf("a new store lists %v", infos)
	}
	keys := []string{"-", "0", "00", "000", "01", "0a-1", "0a-2", "0a0", "a", "a-", "a0", "zz-9"}
	for i, key := range keys {
		w, err := s.Create(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		write(t, w, make([]byte, i))
		if i%2 == 0 {
			err = w.Commit()
		} else {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, info := range list(t, s, "") {
		if i >= len(keys) || info.Key != keys[i] || info.Size != int64(i) || info.Committed != (i%2 == 0) {
			t.Errorf("listed %d: %+v", i, info)
		}
		if info.Modified.IsZero() {
			t.Errorf("listed %s without its time", info.Key)
		}
	}
	for _, after := range append([]string{"", "/", "0a", "0b-", "~"}, keys...) {
		want := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return key <= after })
		var got []string
		for _, info := range list(t, s, after) {
			got = append(got, info.Key)
		}
		if !slices.Equal(got, want) {
			t.Errorf("listed after %q: %v, want %v", after, got, want)
		}
	}
}

func testListStops(t *testing.T, s blob.Store) {
	Put(t, s, "a", nil)
	Put(t, s, "b", nil)
	for range s.List(t.Context(), "") {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.List(ctx, "") {
		wantError(t, "list", err, context.Canceled)
	}
}

func testHostileKeys(t *testing.T, s blob.Store) {
	for _, key := range []string{
		"", ".", "..", "../x", "a/b", "/etc/passwd", `a\b`, "a.b", "A", "é", "a b", "a\x00", "a\n", "a:b", "%2e",
		strings.Repeat("a", 65), "aa/../../x",
	} {
		_, err := s.Create(t.Context(), key)
		wantError(t, fmt.Sprintf("create %q", key), err, blob.ErrKey)
		_, err = s.Append(t.Context(), key, 0)
		wantError(t, fmt.Sprintf("append %q", key), err, blob.ErrKey)
		_, err = s.Open(t.Context(), key)
		wantError(t, fmt.Sprintf("open %q", key), err, blob.ErrKey)
		wantError(t, fmt.Sprintf("delete %q", key), s.Delete(t.Context(), key), blob.ErrKey)
	}
}

func testLongestKey(t *testing.T, s blob.Store) {
	key := strings.Repeat("z", 64)
	Put(t, s, key, []byte("content"))
	wantContent(t, s, key, []byte("content"))
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

func testReadAtOnce(t *testing.T, s blob.Store) {
	content := Content(4, 5<<20)
	Put(t, s, "key", content)
	obj, err := s.Open(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			off := i * 300_000
			got := make([]byte, 250_000)
			if _, err := obj.ReadAt(got, int64(off)); err != nil {
				t.Errorf("read at %d: %v", off, err)
			} else if !bytes.Equal(got, content[off:off+len(got)]) {
				t.Errorf("read at %d: other bytes", off)
			}
		})
	}
	group.Wait()
	if n, err := obj.ReadAt(make([]byte, 10), obj.Size()-4); n != 4 || err != io.EOF {
		t.Errorf("read over the end: %d, %v", n, err)
	}
	if n, err := obj.ReadAt(make([]byte, 10), obj.Size()+1); n != 0 || err != io.EOF {
		t.Errorf("read beyond the end: %d, %v", n, err)
	}
}

func testPieces(t *testing.T, s blob.Store) {
	content := Content(5, 2*blob.PieceSize+100)
	d, err := blob.NewDigester()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = d.Write(content)
	Put(t, s, "key", content)
	obj, err := s.Open(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	r := blob.NewReader(obj, d.Size(), d.Sums(), blob.PieceSize-10, 30)
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content[blob.PieceSize-10:][:30]) {
		t.Error("a range over two pieces is not what was written")
	}
}
