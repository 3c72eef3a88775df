package memory_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
	"github.com/orlop/orlop/registrytest"
)

func TestRegistry(t *testing.T) {
	registrytest.Run(t, func(*testing.T) orlop.Registry { return memory.New() }, registrytest.Options{})
}

func TestUploadInUse(t *testing.T) {
	r := memory.New()
	w, err := r.Upload(t.Context(), "a", "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Upload(t.Context(), "a", w.ID())
	if e, ok := errors.AsType[*orlop.Error](err); !ok || e.Code != orlop.CodeUploadInvalid || e.HTTPStatus() != http.StatusConflict {
		t.Errorf("second writer: %v", err)
	}
}

// What is returned is the caller's own.
func TestManifestIsACopy(t *testing.T) {
	r := memory.New()
	raw := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{"a":"b"}}`)
	desc, err := r.PushManifest(t.Context(), "a", "", raw, "tag")
	if err != nil {
		t.Fatal(err)
	}
	raw[0], desc.Annotations["a"] = 'x', "x"
	for range 2 {
		m, err := r.Manifest(t.Context(), "a", "tag")
		if err != nil || m.Raw[0] != '{' || m.Descriptor.Annotations["a"] != "b" {
			t.Fatalf("manifest %s with %v, %v", m.Raw, m.Descriptor.Annotations, err)
		}
		m.Raw[0], m.Descriptor.Annotations["a"] = 'x', "x"
	}
}
