package remote_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
)

func TestMount(t *testing.T) {
	for _, tt := range []struct {
		status  int
		body    string
		want    error
		deletes int
	}{
		{201, "", nil, 0},
		{202, "", orlop.ErrBlobUnknown, 1}, // the offered session is given back
		{401, "", orlop.ErrBlobUnknown, 0},
		{403, "", orlop.ErrBlobUnknown, 0},
		{404, `{"errors":[{"code":"NAME_UNKNOWN"}]}`, orlop.ErrBlobUnknown, 0},
		{405, "", orlop.ErrBlobUnknown, 0},
		{501, "", orlop.ErrBlobUnknown, 0},
		{507, "", orlop.ErrStorageFull, 0},
	} {
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			w.Header().Set("Location", "/v2/a/blobs/uploads/1")
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		err := f.open(t, remote.Options{}).MountBlob(t.Context(), "a", "b", digest.FromString("x"))
		if !errors.Is(err, tt.want) || f.count(http.MethodDelete) != tt.deletes {
			t.Errorf("%d: error %v after %q", tt.status, err, f.seen())
		}
	}
}
