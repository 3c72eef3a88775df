package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// indexEntry is an entry of an index; what is further JSON.
func indexEntry(name, further string) string {
	return fmt.Sprintf(`{ "mediaType": %q, "digest": %q, "size": 1%s }`,
		ocispec.MediaTypeImageManifest, digest.FromString(name), further)
}

func ofPlatform(os, arch string) string {
	return fmt.Sprintf(`, "platform": {"architecture": %q, "os": %q}`, arch, os)
}

func attestation(name string) string {
	return fmt.Sprintf(`%s, "annotations": {"vnd.docker.reference.digest": %q}`, ofPlatform("unknown", "unknown"), digest.FromString(name))
}

// madeIndex is an index whose keys have an order of their own.
func madeIndex(entries ...string) orlop.Manifest {
	raw := []byte(fmt.Sprintf(`{ "manifests": [ %s ],
	"x.future": [1.50, "<"], "mediaType": %q, "schemaVersion": 2 }`, strings.Join(entries, ", "), ocispec.MediaTypeImageIndex))
	return orlop.Manifest{Raw: raw, Descriptor: orlop.Descriptor{
		MediaType: ocispec.MediaTypeImageIndex, Digest: digest.FromBytes(raw), Size: int64(len(raw)),
	}}
}

func TestSelectPlatforms(t *testing.T) {
	amd64, arm64, windows := indexEntry("amd64", ofPlatform("linux", "amd64")), indexEntry("arm64", ofPlatform("linux", "arm64")),
		indexEntry("windows", ofPlatform("windows", "amd64"))
	none, cache := indexEntry("none", ""), strings.Replace(indexEntry("cache", ""), ocispec.MediaTypeImageManifest, "application/x-cache", 1)
	aboutAMD, aboutARM := indexEntry("about amd64", attestation("amd64")), indexEntry("about arm64", attestation("arm64"))
	m := madeIndex(aboutAMD, amd64, arm64, windows, none, cache, aboutARM, amd64)
	for _, c := range []struct {
		platforms string
		want      []string // entries
	}{
		{"linux/amd64,linux/arm64", []string{aboutAMD, amd64, arm64, none, cache, aboutARM, amd64}},
		{"linux/amd64,windows/amd64", []string{aboutAMD, amd64, windows, none, cache, amd64}},
		{"linux/arm64,windows/amd64", []string{arm64, windows, none, cache, aboutARM}},
	} {
		got, err := selectPlatforms(t.Context(), &target{}, m, parsedPlatforms(t, c.platforms))
		if err != nil {
			t.Fatalf("%s: %v", c.platforms, err)
		}
		want := `{"manifests":[` + strings.ReplaceAll(strings.Join(c.want, ","), " ", "") +
			`],"x.future":[1.50,"<"],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}`
		if string(got.Raw) != want {
			t.Errorf("%s:\n%s\nwant\n%s", c.platforms, got.Raw, want)
		}
		if got.Descriptor.Digest != digest.FromString(want) || got.Descriptor.Size != int64(len(want)) {
			t.Errorf("%s: descriptor %+v", c.platforms, got.Descriptor)
		}
	}
}

func parsedPlatforms(t *testing.T, text string) []*ocispec.Platform {
	t.Helper()
	o := platformsOptions{platforms: strings.Split(text, ",")}
	if err := o.validate(); err != nil {
		t.Fatal(err)
	}
	return o.parsed
}

func TestSelectAllPlatforms(t *testing.T) {
	m := madeIndex(indexEntry("amd64", ofPlatform("linux", "amd64")), indexEntry("arm64", ofPlatform("linux", "arm64")),
		indexEntry("about", attestation("arm64")))
	got, err := selectPlatforms(t.Context(), &target{}, m, parsedPlatforms(t, "linux/amd64,linux/arm64"))
	if err != nil || string(got.Raw) != string(m.Raw) || got.Descriptor.Digest != m.Descriptor.Digest {
		t.Errorf("all platforms gave %s, %v", got.Raw, err)
	}
}

func TestSelectUnmatchedPlatforms(t *testing.T) {
	m := madeIndex(indexEntry("amd64", ofPlatform("linux", "amd64")), indexEntry("about", attestation("amd64")))
	_, err := selectPlatforms(t.Context(), &target{}, m, parsedPlatforms(t, "linux/amd64,unknown/unknown,plan9/386"))
	if err == nil || err.Error() != "unmatched platforms: unknown/unknown, plan9/386" {
		t.Errorf("error %v", err)
	}
	if hint := told(err).hint; hint != "available platforms in the index: linux/amd64" {
		t.Errorf("hint %q", hint)
	}
}

// FuzzFilterIndex: what is left out does not change what remains.
func FuzzFilterIndex(f *testing.F) {
	f.Add(madeIndex(indexEntry("amd64", ofPlatform("linux", "amd64")), indexEntry("arm64", ofPlatform("linux", "arm64"))).Raw)
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"a":{"b":[{}]}}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[` + indexEntry("x", `,"annotations":{"é":"\u003c"}`) + `]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := orlop.Manifest{Raw: raw, Descriptor: orlop.Descriptor{MediaType: ocispec.MediaTypeImageIndex}}
		info, err := orlop.ParseManifest(ocispec.MediaTypeImageIndex, raw)
		if err != nil {
			return
		}
		odd := false
		got, err := filterIndex(m, func(orlop.Descriptor) bool { odd = !odd; return odd })
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		less, err := orlop.ParseManifest(ocispec.MediaTypeImageIndex, got.Raw)
		if err != nil {
			t.Fatalf("%q became %q: %v", raw, got.Raw, err)
		}
		all := len(info.Children) + len(info.Layers)
		if n := len(less.Children) + len(less.Layers); n != (all+1)/2 {
			t.Errorf("%q became %q: %d of %d entries", raw, got.Raw, n, all)
		}
	})
}
