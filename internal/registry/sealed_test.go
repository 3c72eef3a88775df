package registry

import (
	"bytes"
	"errors"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/meta"
)

// TestCrashBetweenObjectAndRow ends the process after the content of an upload
// was made final and before any row says so: the upload goes on, from all that
// has arrived, and its end succeeds.
func TestCrashBetweenObjectAndRow(t *testing.T) {
	e := engine(onSQLite) // alone: shared databases are in nodes_test.go
	const acked, rest = "acknowledged before", ", and sent with the end"
	for _, sent := range []string{"", rest} {
		r := e.openOn(t, mem.New(mem.Options{}), Options{SmallBlob: 2})
		id := send(t, r, "", acked)
		w, err := r.Upload(t.Context(), "a", id)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write([]byte(sent))
		if err := errors.Join(err, w.(*upload).w.Commit()); err != nil {
			t.Fatal(err)
		}
		restarted, err := New(r.db, r.blobs, r.opts)
		if err != nil {
			t.Fatal(err)
		}
		r = restarted.Registry(meta.DefaultRegistry, r.actor)

		if w, err = r.Upload(t.Context(), "a", id); err != nil {
			t.Fatal(err)
		}
		if got, want := w.Offset(), int64(len(acked+sent)); got != want {
			t.Errorf("offset %d, not %d", got, want)
		}
		if _, err := w.Write([]byte("more")); !errors.Is(err, orlop.ErrUploadInvalid) {
			t.Errorf("more than all: %v", err)
		}
		w.Close()
		commitUpload(t, r, id, nil, []byte(acked+sent))
		got, err := r.readBlob(t.Context(), "a", digest.FromString(acked+sent), -1)
		if err != nil || !bytes.Equal(got, []byte(acked+sent)) {
			t.Errorf("%q, %v", got, err)
		}
	}
}
