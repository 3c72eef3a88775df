package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/blob/faultfs"
)

// step writes a part of an object.
type step struct {
	key  string
	to   int  // writes up to here
	end  byte // 's' sync and close, 'c' commit, 'd' delete, 0 close
	from int  // where to append; -1 creates
}

const crashSize = 3000 // bytes of a whole object: more than a block or two

// crashWork has objects alone and together in a directory, committed at once,
// in two goes and never, and one that is deleted.
var crashWork = []step{
	{key: "aa-whole", from: -1, to: crashSize, end: 'c'},
	{key: "aa-resumed", from: -1, to: 1700, end: 's'},
	{key: "bb-cut", from: -1, to: 1200},
	{key: "bb-begun", from: -1, to: 1000, end: 's'},
	{key: "bb-begun", from: 1000, to: 2500},
	{key: "aa-resumed", from: 1700, to: crashSize, end: 'c'},
	{key: "bb-begun", from: 1000, to: 2000, end: 's'}, // cuts what was not acknowledged
	{key: "cc-gone", from: -1, to: crashSize, end: 'c'},
	{key: "cc-gone", end: 'd'},
	{key: "aa-second", from: -1, to: crashSize, end: 'c'},
}

// acknowledged is what the store has promised.
type acknowledged struct {
	files     *faultfs.FS
	committed map[string]bool
	synced    map[string]int // bytes
	deleted   map[string]bool
}

func contentOf(key string) []byte {
	return blobtest.Content(uint64(len(key)), crashSize)
}

// work does all steps, whatever fails, and gives what was acknowledged.
func work(ctx context.Context, files *faultfs.FS) acknowledged {
	ack := acknowledged{files, map[string]bool{}, map[string]int{}, map[string]bool{}}
	s, err := OpenFS(files, Options{})
	if err != nil {
		return ack
	}
	defer s.Close()
	for _, st := range crashWork {
		ack.do(ctx, s, st)
	}
	return ack
}

func (ack acknowledged) do(ctx context.Context, s *Store, st step) {
	if st.end == 'd' {
		ack.deleted[st.key] = true // from here on it may be gone
		_ = s.Delete(ctx, st.key)
		return
	}
	w, err := beginStep(ctx, s, st)
	if err != nil {
		return
	}
	defer w.Close()
	if err := ack.write(w, st); err != nil && !ack.files.Crashed() {
		delete(ack.synced, st.key) // the writer has removed it
	}
}

func (ack acknowledged) write(w blob.Writer, st step) error {
	if _, err := w.Write(contentOf(st.key)[max(st.from, 0):st.to]); err != nil {
		return err
	}
	switch st.end {
	case 's':
		if _, err := w.Sync(); err != nil {
			return err
		}
		ack.synced[st.key] = st.to
	case 'c':
		if err := w.Commit(); err != nil {
			return err
		}
		ack.committed[st.key] = true
	}
	return nil
}

func beginStep(ctx context.Context, s *Store, st step) (blob.Writer, error) {
	if st.from < 0 {
		return s.Create(ctx, st.key)
	}
	return s.Append(ctx, st.key, int64(st.from), nil)
}

// check opens the store that was found after a crash or failure and compares
// it with what was acknowledged.
func (ack acknowledged) check(t *testing.T, files *faultfs.FS) {
	t.Helper()
	s, err := OpenFS(files, Options{})
	if err != nil {
		t.Fatalf("the store does not open: %v", err)
	}
	defer s.Close()
	found := make(map[string]bool)
	for info, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if found[info.Key] {
			t.Errorf("%s is listed twice", info.Key)
		}
		found[info.Key] = info.Committed
		if info.Committed && !bytes.Equal(blobtest.Get(t, s, info.Key), contentOf(info.Key)) {
			t.Errorf("%s is committed, but not whole", info.Key)
		}
	}
	for key := range ack.committed {
		if !found[key] && !ack.deleted[key] {
			t.Errorf("%s was committed and is lost", key)
		}
	}
	for key, size := range ack.synced {
		if !ack.committed[key] && !found[key] {
			checkResume(t, s, key, size)
		}
	}
	blobtest.Put(t, s, "new", []byte("goes on"))
}

// checkResume goes on with an upload from where it was acknowledged.
func checkResume(t *testing.T, s *Store, key string, size int) {
	t.Helper()
	w, err := s.Append(t.Context(), key, int64(size), nil)
	if err != nil {
		t.Errorf("upload of which %d bytes were acknowledged: %v", size, err)
		return
	}
	if _, err := w.Write(contentOf(key)[size:]); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(blobtest.Get(t, s, key), contentOf(key)) {
		t.Errorf("%s resumed at %d has other content", key, size)
	}
}

// seeds choose what survives a power cut.
const seeds = 12

func TestCrashAnywhere(t *testing.T) {
	points := 0
	for n := 1; ; n++ {
		crashed := false
		for seed := range int64(seeds) {
			files := faultfs.New()
			files.CrashAt(n)
			ack := work(t.Context(), files)
			crashed = files.Crashed()
			t.Run(fmt.Sprintf("%d/%d", n, seed), func(t *testing.T) {
				ack.check(t, files.Reboot(seed))
			})
		}
		if !crashed {
			break
		}
		points = n
	}
	t.Logf("%d crash points, %d outcomes each", points, seeds)
	if points < 40 {
		t.Errorf("only %d crash points: is every call counted?", points)
	}
}

// TestFailAnywhere goes on after a failed call, and then cuts the power.
func TestFailAnywhere(t *testing.T) {
	for _, failure := range []error{syscall.EIO, syscall.ENOSPC} {
		for n := 1; ; n++ {
			calls := 0
			for seed := range int64(seeds) {
				files := faultfs.New()
				files.FailAt(n, failure)
				ack := work(t.Context(), files)
				calls = files.Calls()
				t.Run(fmt.Sprintf("%v/%d/%d", failure, n, seed), func(t *testing.T) {
					ack.check(t, files.Reboot(seed))
				})
			}
			if n > calls {
				break
			}
		}
	}
}

// TestWorkWithoutFaults makes sure that the work above does what it means to.
func TestWorkWithoutFaults(t *testing.T) {
	ack := work(t.Context(), faultfs.New())
	if len(ack.committed) != 4 || ack.synced["bb-begun"] != 2000 {
		t.Errorf("acknowledged: %+v", ack)
	}
}

// TestFailedWriterIsRemoved fails every call after the creation of an object in
// turn: none is left, and another one finds its place.
func TestFailedWriterIsRemoved(t *testing.T) {
	for n := 1; n <= 6; n++ {
		files := faultfs.New()
		s, err := OpenFS(files, Options{})
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.Create(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		files.FailAt(files.Calls()+n, syscall.ENOSPC)
		_, err = w.Write([]byte("content"))
		if err == nil {
			err = w.Commit()
		}
		if !errors.Is(err, blob.ErrFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("call %d fails with %v", n, err)
		}
		if _, again := w.Write(nil); !errors.Is(again, blob.ErrFull) {
			t.Errorf("write after a failure: %v", again)
		}
		if again := w.Commit(); !errors.Is(again, blob.ErrFull) {
			t.Errorf("commit after a failure: %v", again)
		}
		if err := w.Close(); err != nil {
			t.Errorf("close after a failure: %v", err)
		}
		for info := range s.List(t.Context(), "") {
			t.Errorf("after failure of call %d there is %+v", n, info)
		}
		blobtest.Put(t, s, "key", []byte("again"))
	}
}

// TestReadFails shows that a failed read is damage, not a short answer.
func TestReadFails(t *testing.T) {
	files := faultfs.New()
	s, err := OpenFS(files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	content := blobtest.Content(1, blob.PieceSize+1)
	d, _ := blob.NewDigester()
	_, _ = d.Write(content)
	blobtest.Put(t, s, "key", content)
	obj, err := s.Open(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	files.FailAt(files.Calls()+2, syscall.EIO)
	r := blob.NewReader(obj, d.Size(), d.Sums(), 0, -1)
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if n != blob.PieceSize || !errors.Is(err, blob.ErrDamaged) || !errors.Is(err, syscall.EIO) {
		t.Errorf("copied %d bytes, %v", n, err)
	}
}
