package blobtest

import (
	"bytes"
	"testing"

	"github.com/orlop/orlop/internal/blob"
)

// testFork goes on with an object whose writer is not dead, for stores that can:
// whatever that one does then, the new object has what it should.
func testFork(t *testing.T, s blob.Store) {
	forker, ok := s.(blob.Forker)
	if !ok {
		t.Skip("the store cannot fork")
	}
	content := Content(1, 21<<20)
	const offset, again = 17<<20 + 5, 20 << 20
	for name, former := range map[string]func(t *testing.T, w blob.Writer){
		"rests":  func(t *testing.T, w blob.Writer) {},
		"writes": func(t *testing.T, w blob.Writer) { _, _ = w.Write(Content(2, 20<<20)) },
		"has synced": func(t *testing.T, w blob.Writer) {
			_, _ = w.Write(Content(2, 20<<20))
			_, _ = w.Sync()
		},
		"commits": func(t *testing.T, w blob.Writer) {
			_, _ = w.Write(Content(2, 1<<20))
			_ = w.Commit()
		},
	} {
		for when, at := range map[string]int{"before": 0, "between": 1, "after": 2} {
			t.Run("former writer "+name+" "+when, func(t *testing.T) {
				from, to := "old"+name[:1]+when, "new"+name[:1]+when
				w, err := s.Create(t.Context(), from)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				write(t, w, content[:offset])
				state, err := w.Sync()
				if err != nil {
					t.Fatal(err)
				}
				if at == 0 {
					former(t, w)
				}
				w2, err := forker.Fork(t.Context(), from, to, offset, state)
				if err != nil {
					t.Fatal(err)
				}
				write(t, w2, content[offset:again])
				if at == 1 {
					former(t, w)
				}
				if state, err = w2.Sync(); err != nil {
					t.Fatal(err)
				}
				w2.Close()
				if w2, err = s.Append(t.Context(), to, again, state); err != nil {
					t.Fatal(err)
				}
				write(t, w2, content[again:])
				if err := w2.Commit(); err != nil {
					t.Fatal(err)
				}
				if at == 2 {
					former(t, w)
				}
				if err := s.Delete(t.Context(), from); err != nil {
					t.Fatal(err)
				}
				if got := Get(t, s, to); !bytes.Equal(got, content) {
					t.Errorf("%d bytes differ from what was written", len(got))
				}
			})
		}
	}
}
