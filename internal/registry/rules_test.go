package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// TestMountFrom mounts a blob only from where the caller may read it, and says
// the same of what it may not read and what is not there.
func TestMountFrom(t *testing.T) { eachEngine(t, testMountFrom) }

func testMountFrom(t *testing.T, e engine) {
	d := digest.FromString("x")
	for _, c := range []struct {
		from    string
		may     []string
		mounted bool
	}{
		{"one", []string{"one"}, true},
		{"one", []string{"two"}, false},
		{"absent", []string{"absent"}, false},
		{"other", []string{"other"}, false}, // there, without the blob
		{"", nil, false},
		{"", []string{"other"}, false},
		{"", []string{"one"}, true},
		{"", []string{"two"}, true},
	} {
		r := e.open(t, Options{})
		pushNames(t, r, "one", "two")
		if err := r.PushBlob(t.Context(), "other", orlop.Descriptor{Digest: digest.FromString(""), Size: 0}, strings.NewReader("")); err != nil {
			t.Fatal(err)
		}
		err := r.MountFrom(t.Context(), "to", c.from, d, func(repo string) bool { return slices.Contains(c.may, repo) })
		if c.mounted != (err == nil) || !c.mounted && !errors.Is(err, orlop.ErrBlobUnknown) {
			t.Errorf("from %q, may read %q: %v", c.from, c.may, err)
		}
		if _, err := r.StatBlob(t.Context(), "to", d); c.mounted != (err == nil) {
			t.Errorf("from %q, may read %q: %v afterwards", c.from, c.may, err)
		}
	}
}

// TestBlobGivenTwoSizes refuses a manifest that cannot be right, whichever size
// comes first.
func TestBlobGivenTwoSizes(t *testing.T) { eachEngine(t, testBlobGivenTwoSizes) }

func testBlobGivenTwoSizes(t *testing.T, e engine) {
	r := e.open(t, Options{})
	pushNames(t, r, "a")
	for _, sizes := range [][2]int{{1, 2}, {2, 1}, {2, 2}} {
		raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`+
			`"config":{"mediaType":"a/b","digest":%[1]q,"size":%[2]d},"layers":[{"mediaType":"a/c","digest":%[1]q,"size":%[3]d}]}`,
			digest.FromString("x"), sizes[0], sizes[1])
		if _, err := r.PushManifest(t.Context(), "a", "", raw, "v1"); !errors.Is(err, orlop.ErrManifestInvalid) {
			t.Errorf("sizes %v: %v", sizes, err)
		}
	}
}
