package remote_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/orlop/orlop/remote"
)

func TestWithManifestTypes(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	r := f.open(t, remote.Options{})
	ctx := remote.WithManifestTypes(t.Context(), "application/a", "application/b")
	_, _ = r.Manifest(ctx, "x", "1")
	_, _ = r.Resolve(ctx, "x", "1")
	_, _ = r.Resolve(remote.WithManifestTypes(t.Context()), "x", "1")
	got := f.headers("Accept")
	if len(got) != 3 || !slices.Equal(got[:2], []string{"application/a, application/b", "application/a, application/b"}) ||
		!strings.HasSuffix(got[2], "*/*") {
		t.Errorf("accepted %q", got)
	}
}
