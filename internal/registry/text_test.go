package registry

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// TestTextThatCannotBeStored pushes artifact types that PostgreSQL cannot store:
// the client is told, and it is no fault of the server.
func TestTextThatCannotBeStored(t *testing.T) {
	r := engine(onPostgres).open(t, Options{})
	long := make([]byte, 8<<10) // of letters at random: PostgreSQL compresses others
	for i := range long {
		long[i] = byte('a' + rand.N(26))
	}
	for name, typ := range map[string]string{"NUL": `a/b\u0000c`, "too long": "a/" + string(long)} {
		raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"artifactType":"%s",`+
			`"subject":{"mediaType":"application/vnd.oci.image.index.v1+json","digest":%q,"size":2}}`, typ, digest.FromString("{}"))
		if _, err := r.PushManifest(t.Context(), "a", "", raw, "v"); !errors.Is(err, orlop.ErrManifestInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
