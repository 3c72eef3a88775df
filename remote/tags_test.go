package remote_test

import (
	"net/http"
	"path"
	"slices"
	"sync"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/remote"
)

// At a registry that takes one tag a request, the first brings the manifest and
// the others follow together.
func TestTagsAtOnce(t *testing.T) {
	var mu sync.Mutex
	var set []string
	together := make(chan struct{}) // closed when three of them are under way
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		set = append(set, path.Base(r.URL.Path))
		n := len(set)
		if n == 4 {
			close(together)
		}
		mu.Unlock()
		if n > 1 {
			select {
			case <-together:
			case <-r.Context().Done():
			}
		}
		w.WriteHeader(http.StatusCreated)
	})
	raw := []byte(`{"schemaVersion":2,"manifests":[]}`)
	if _, err := f.open(t, remote.Options{}).PushManifest(t.Context(), "a", ocispec.MediaTypeImageIndex, raw, "1", "2", "3", "4"); err != nil {
		t.Fatal(err)
	}
	if set[0] != "1" {
		t.Errorf("the first tag set is %q", set[0])
	}
	slices.Sort(set)
	if !slices.Equal(set, []string{"1", "2", "3", "4"}) {
		t.Errorf("tags set are %q", set)
	}
}
