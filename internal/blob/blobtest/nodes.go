package blobtest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/orlop/orlop/internal/blob"
)

// RunNodes runs the suite of stores that many processes share. Every test opens
// the same store twice, as two processes do, and finds it empty.
func RunNodes(t *testing.T, open func(t *testing.T) (a, b blob.Store)) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, a, b blob.Store)
	}{
		{"TurnByTurn", testTurnByTurn},
		{"EarlierState", testEarlierState},
		{"TwoSyncs", testTwoSyncs},
		{"BothAppend", testBothAppend},
		{"BothCommit", testBothCommit},
		{"DeleteAll", testDeleteAll},
		{"Stale", testStale},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := open(t)
			test.run(t, a, b)
		})
	}
}

// odd are sizes of chunks below, at and above those of which a store makes its
// parts.
var odd = []int{1, 3 << 20, 17 << 20, 100 << 10, 0, 5 << 20, 5<<20 - 1, 8 << 20, 1, 1, 12 << 20}

// testTurnByTurn: every chunk of an upload goes to the other node.
func testTurnByTurn(t *testing.T, a, b blob.Store) {
	total := 0
	for _, n := range odd {
		total += n
	}
	content := Content(7, total)
	var state []byte
	at := 0
	for i, n := range odd {
		s := []blob.Store{a, b}[i%2]
		w := resume(t, s, at, state)
		write(t, w, content[at:at+n])
		at += n
		state = syncAll(t, w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if most := 4096 + at/(1<<20)*16; len(state) > most {
			t.Errorf("a state of %d bytes for %d", len(state), at)
		}
	}
	w := resume(t, b, at, state)
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, a, "key", content)
	if infos := list(t, a, ""); len(infos) != 1 || !infos[0].Committed || infos[0].Size != int64(total) {
		t.Errorf("listed after it all: %+v", infos)
	}
}

// resume goes on with an upload, or begins it.
func resume(t *testing.T, s blob.Store, at int, state []byte) blob.Writer {
	t.Helper()
	w, err := s.Append(t.Context(), "key", int64(at), state)
	if state == nil {
		w, err = s.Create(t.Context(), "key")
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// step goes on with an upload by one chunk, up to a Sync.
func step(t *testing.T, s blob.Store, at int, state, chunk []byte) []byte {
	t.Helper()
	w := resume(t, s, at, state)
	defer w.Close()
	write(t, w, chunk)
	return syncAll(t, w)
}

// testEarlierState: a state is good although another one came after it, which
// was never saved.
func testEarlierState(t *testing.T, a, b blob.Store) {
	for _, first := range []int{1000, 6 << 20, 20 << 20} {
		for _, lost := range []int{1, 6 << 20, 20 << 20} {
			content := Content(uint64(first), first+100)
			state := step(t, a, 0, nil, content[:first])
			step(t, a, first, state, Content(99, lost))
			w := resume(t, b, first, state)
			write(t, w, content[first:])
			if err := w.Commit(); err != nil {
				t.Fatalf("after %d and %d lost: %v", first, lost, err)
			}
			wantContent(t, a, "key", content)
			if err := b.Delete(t.Context(), "key"); err != nil {
				t.Fatal(err)
			}
			if infos := list(t, a, ""); len(infos) > 0 {
				t.Errorf("left after the delete: %+v", infos)
			}
		}
	}
}

// testTwoSyncs: all states that one writer gives are good until one is gone on
// from.
func testTwoSyncs(t *testing.T, a, b blob.Store) {
	content := Content(8, 9<<20)
	ends := []int{1 << 20, 2 << 20, 7 << 20, len(content)}
	for i, end := range ends {
		w := resume(t, a, 0, nil)
		var states [][]byte
		at := 0
		for _, to := range ends {
			write(t, w, content[at:to])
			states = append(states, syncAll(t, w))
			at = to
		}
		w.Close()
		w = resume(t, b, end, states[i])
		write(t, w, []byte("end"))
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		wantContent(t, a, "key", append(slices.Clone(content[:end]), "end"...))
		if err := a.Delete(t.Context(), "key"); err != nil {
			t.Fatal(err)
		}
	}
}

// testBothAppend: two nodes go on with one upload at the same time. Whoever is
// told that it is committed has its own content in it. The commits come one after
// the other: versitygw does not keep apart two requests that complete an upload at
// the same moment.
func testBothAppend(t *testing.T, a, b blob.Store) {
	for i, begun := range []int{0, 1000, 6 << 20, 18 << 20} {
		begin := Content(uint64(i), begun)
		state := step(t, a, 0, nil, begin)
		stores := []blob.Store{a, b}
		contents := [][]byte{append(slices.Clone(begin), Content(21, 20<<20)...), append(slices.Clone(begin), Content(22, 20<<20)...)}
		var errs [2]error
		var group sync.WaitGroup
		var commit sync.Mutex
		for n := range stores {
			group.Go(func() { errs[n] = goOn(t, stores[n], begun, state, contents[n], &commit) })
		}
		group.Wait()
		judge(t, fmt.Sprintf("after %d bytes", begun), a, contents, errs)
		if err := b.Delete(t.Context(), "key"); err != nil {
			t.Fatal(err)
		}
		if infos := list(t, a, ""); len(infos) > 0 {
			t.Errorf("left after the delete: %+v", infos)
		}
	}
}

func goOn(t *testing.T, s blob.Store, at int, state, content []byte, commit *sync.Mutex) error {
	w, err := s.Append(t.Context(), "key", int64(at), state)
	if err != nil {
		return err
	}
	defer w.Close()
	for chunk := range slices.Chunk(content[at:], 1<<20) {
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	commit.Lock()
	defer commit.Unlock()
	return w.Commit()
}

// judge checks the object that two writers wanted to make.
func judge(t *testing.T, what string, s blob.Store, contents [][]byte, errs [2]error) {
	t.Helper()
	if errs[0] == nil && errs[1] == nil {
		t.Errorf("%s: both have committed their content", what)
	}
	for n, err := range errs {
		t.Logf("%s, writer %d: %v", what, n, err)
		if err == nil && !bytes.Equal(Get(t, s, "key"), contents[n]) {
			t.Errorf("%s: writer %d has committed, and the object is another", what, n)
		}
	}
}

// testBothCommit: two nodes end the same upload, each with all of its bytes. It
// is no harm if both succeed.
func testBothCommit(t *testing.T, a, b blob.Store) {
	for _, size := range []int{1000, 7 << 20, 18 << 20} {
		content := Content(9, size)
		state := step(t, a, 0, nil, content)
		committed := 0
		for _, s := range []blob.Store{a, b} {
			w, err := s.Append(t.Context(), "key", int64(size), state)
			if err != nil {
				continue // the other has ended it
			}
			if err := w.Commit(); err == nil {
				committed++
			}
		}
		if committed == 0 {
			t.Errorf("%d bytes: nobody could commit", size)
		}
		wantContent(t, b, "key", content)
		if err := b.Delete(t.Context(), "key"); err != nil {
			t.Fatal(err)
		}
	}
}

// testDeleteAll: the delete of one node removes all that another has begun,
// whatever has become of its states.
func testDeleteAll(t *testing.T, a, b blob.Store) {
	for _, size := range []int{1, 6 << 20, 17<<20 + 5} {
		state := step(t, a, 0, nil, Content(1, size))
		step(t, a, size, state, Content(2, 100))
		step(t, a, size, state, Content(3, 9<<20))
		if err := b.Delete(t.Context(), "key"); err != nil {
			t.Fatal(err)
		}
		if infos := list(t, b, ""); len(infos) > 0 {
			t.Errorf("%d bytes: left after the delete: %+v", size, infos)
		}
		_, err := a.Append(t.Context(), "key", int64(size), state)
		wantError(t, "append to a deleted object", err, blob.ErrNotFound)
	}
}

// testStale: a node that has slept does not change what another has committed
// meanwhile.
func testStale(t *testing.T, a, b blob.Store) {
	for _, size := range []int{1000, 6 << 20, 18 << 20} {
		content := Content(10, size)
		state := step(t, a, 0, nil, content)
		stale := resume(t, a, size, state)
		write(t, stale, Content(11, 9<<20))
		w := resume(t, b, size, state)
		write(t, w, []byte("good"))
		if err := w.Commit(); err != nil {
			continue // which the stale one has prevented
		}
		if err := stale.Commit(); err == nil {
			t.Errorf("%d bytes: a stale writer has committed", size)
		}
		stale.Close()
		wantContent(t, a, "key", append(slices.Clone(content), "good"...))
		if err := b.Delete(t.Context(), "key"); err != nil {
			t.Fatal(err)
		}
	}
}
