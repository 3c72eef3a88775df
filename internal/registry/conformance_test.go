package registry

import (
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/registrytest"
)

// TestConformance runs the public suite on the engine, with small blobs in
// files as well.
func TestConformance(t *testing.T) { eachEngine(t, testConformance) }

func testConformance(t *testing.T, e engine) {
	for name, o := range map[string]Options{"default": {}, "all in files": {SmallBlob: -1}} {
		t.Run(name, func(t *testing.T) {
			registrytest.Run(t, func(t *testing.T) orlop.Registry { return e.open(t, o) }, registrytest.Options{})
		})
	}
}
