package orlop_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

const (
	emptyDigest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	otherDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// desc is a descriptor as JSON.
func desc(mediaType, dgst string, size int) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, dgst, size)
}

var (
	configJSON = desc("application/vnd.example.config", emptyDigest, 2)
	layerJSON  = desc("application/vnd.example.layer", otherDigest, 0)
	childJSON  = desc(ocispec.MediaTypeImageManifest, otherDigest, 10)
)

func TestParseManifest(t *testing.T) {
	config := &orlop.Descriptor{MediaType: "application/vnd.example.config", Digest: emptyDigest, Size: 2}
	layer := orlop.Descriptor{MediaType: "application/vnd.example.layer", Digest: otherDigest}
	child := orlop.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: otherDigest, Size: 10}
	tests := []struct {
		name, mediaType, raw string
		want                 orlop.ManifestInfo
	}{
		{
			"image", ocispec.MediaTypeImageManifest,
			`{"schemaVersion":2,"config":` + configJSON + `,"layers":[` + layerJSON + `],"annotations":{"k":"v"}}`,
			orlop.ManifestInfo{
				MediaType: ocispec.MediaTypeImageManifest, ArtifactType: config.MediaType,
				Config: config, Layers: []orlop.Descriptor{layer}, Annotations: map[string]string{"k": "v"},
			},
		},
		{
			"media type from the document, artifact type, subject", "",
			`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageManifest + `","artifactType":"a/b","config":` + configJSON +
				`,"layers":null,"subject":` + childJSON + `,"org.example":{"deep":[1]}}` + "\n ",
			orlop.ManifestInfo{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "a/b", Config: config, Subject: &child},
		},
		{
			"docker", orlop.MediaTypeDockerManifest,
			`{"schemaVersion":2,"mediaType":"` + orlop.MediaTypeDockerManifest + `","config":` + configJSON + `,"layers":[]}`,
			orlop.ManifestInfo{MediaType: orlop.MediaTypeDockerManifest, ArtifactType: config.MediaType, Config: config},
		},
		{
			"index with a build cache", ocispec.MediaTypeImageIndex,
			`{"schemaVersion":2,"artifactType":"a/b","manifests":[` + childJSON + `,` + layerJSON + `]}`,
			orlop.ManifestInfo{
				MediaType: ocispec.MediaTypeImageIndex, ArtifactType: "a/b",
				Children: []orlop.Descriptor{child}, Layers: []orlop.Descriptor{layer},
			},
		},
		{
			"docker list", "",
			`{"schemaVersion":2,"mediaType":"` + orlop.MediaTypeDockerManifestList + `","manifests":[` + childJSON + `]}`,
			orlop.ManifestInfo{MediaType: orlop.MediaTypeDockerManifestList, Children: []orlop.Descriptor{child}},
		},
		{
			"artifact manifest", "",
			`{"mediaType":"` + orlop.MediaTypeOCIArtifactManifest + `","artifactType":"a/b","blobs":[` + layerJSON + `],"subject":` + childJSON + `}`,
			orlop.ManifestInfo{
				MediaType: orlop.MediaTypeOCIArtifactManifest, ArtifactType: "a/b",
				Layers: []orlop.Descriptor{layer}, Subject: &child,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := orlop.ParseManifest(tt.mediaType, []byte(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			for _, list := range []*[]orlop.Descriptor{&got.Layers, &got.Children} {
				if len(*list) == 0 {
					*list = nil
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseManifestRefuses(t *testing.T) {
	image := ocispec.MediaTypeImageManifest
	index := ocispec.MediaTypeImageIndex
	with := func(fields string) string {
		return `{"schemaVersion":2,"config":` + configJSON + `,"layers":[` + layerJSON + `]` + fields + `}`
	}
	badLayer := func(d string) string {
		return `{"schemaVersion":2,"config":` + configJSON + `,"layers":[` + d + `]}`
	}
	tests := []struct{ name, mediaType, raw string }{
		{"nothing", image, ""},
		{"null", image, "null"},
		{"array", image, "[]"},
		{"string", image, `"x"`},
		{"cut", image, with("")[:80]},
		{"two documents", image, with("") + with("")},
		{"rubbish after", image, with("") + "x"},
		{"NUL after", image, with("") + "\x00"},
		{"no media type", "", with("")},
		{"other media type", index, with(`,"mediaType":"` + image + `"`)},
		{"media type with parameter", image + "; charset=utf-8", with("")},
		{"unknown media type", "application/json", with("")},
		{"schema 1", "application/vnd.docker.distribution.manifest.v1+json", `{"schemaVersion":1}`},
		{"schema version 1", image, `{"schemaVersion":1,"config":` + configJSON + `,"layers":[]}`},
		{"no schema version", image, `{"config":` + configJSON + `,"layers":[]}`},
		{"schema version text", image, `{"schemaVersion":"2","config":` + configJSON + `}`},
		{"layers and manifests", image, with(`,"manifests":[]`)},
		{"manifests and layers", index, `{"schemaVersion":2,"manifests":[],"layers":[]}`},
		{"index and config", index, `{"schemaVersion":2,"manifests":[],"config":` + configJSON + `}`},
		{"image and blobs", image, with(`,"blobs":[]`)},
		{"image without config", image, `{"schemaVersion":2,"layers":[]}`},
		{"image with null config", image, `{"schemaVersion":2,"config":null,"layers":[]}`},
		{"index without manifests", index, `{"schemaVersion":2}`},
		{"field twice", image, with(`,"layers":[]`)},
		{"letter case", image, with(`,"Layers":[]`)},
		{"letter case beyond ASCII", image, with(`,"layer\u017f":[]`)},
		{"annotations not text", image, with(`,"annotations":{"a":1}`)},
		{"annotations list", image, with(`,"annotations":[]`)},
		{"subject list", image, with(`,"subject":[]`)},
		{"subject without digest", image, with(`,"subject":{}`)},
		{"layer null", image, badLayer(`null`)},
		{"layer text", image, badLayer(`"x"`)},
		{"layer without digest", image, badLayer(`{"mediaType":"a/b","size":1}`)},
		{"layer digest md5", image, badLayer(desc("a/b", "md5:d41d8cd98f00b204e9800998ecf8427e", 1))},
		{"layer digest path", image, badLayer(desc("a/b", "sha256:../../../../../../../../../../../../../../../../../../etc/passwd", 1))},
		{"layer size negative", image, badLayer(desc("a/b", otherDigest, -1))},
		{"layer size too large", image, badLayer(`{"digest":"` + otherDigest + `","size":9223372036854775808}`)},
		{"layer size fraction", image, badLayer(`{"digest":"` + otherDigest + `","size":1.5}`)},
		{"data not base64", image, badLayer(`{"digest":"` + otherDigest + `","size":1,"data":"%"}`)},
		{"deep", image, `{"schemaVersion":2,"x":` + strings.Repeat("[", 1<<20)},
		{"deep and closed", image, `{"schemaVersion":2,"x":` + strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20) + "}"},
		{"long media type", strings.Repeat("a", 1<<20), with("")},
		{"large", image, with(strings.Repeat(" ", orlop.MaxManifestSize))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			info, err := orlop.ParseManifest(tt.mediaType, []byte(tt.raw))
			if !errors.Is(err, orlop.ErrManifestInvalid) {
				t.Fatalf("got %+v, %v; want ErrManifestInvalid", info, err)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestManifestInfoBlobs(t *testing.T) {
	foreign := desc("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "sha256:"+strings.Repeat("0", 64), 5)
	info, err := orlop.ParseManifest(ocispec.MediaTypeImageManifest, []byte(`{"schemaVersion":2,"config":`+configJSON+
		`,"layers":[`+strings.Join([]string{layerJSON, foreign, configJSON, layerJSON}, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for d := range info.Blobs() {
		got = append(got, d.Digest.String())
	}
	if want := []string{emptyDigest, otherDigest}; !slices.Equal(got, want) {
		t.Errorf("blobs %v, want %v", got, want)
	}
	if len(info.Layers) != 4 {
		t.Errorf("%d layers, want 4", len(info.Layers))
	}
}

// FuzzParseManifest checks that what is taken is well formed, and that
// encoding/json reads the same from it.
func FuzzParseManifest(f *testing.F) {
	for _, raw := range []string{
		`{"schemaVersion":2,"config":` + configJSON + `,"layers":[` + layerJSON + `]}`,
		`{"schemaVersion":2,"manifests":[` + childJSON + `],"subject":` + childJSON + `}`,
		`{"artifactType":"a/b","blobs":[` + layerJSON + `]}`,
		`{"schemaVersion":2,"config":{},"layers":[],"layers":null}`, `[]`, `{`, `{"a":1}x`,
	} {
		for _, mediaType := range []string{"", ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, orlop.MediaTypeOCIArtifactManifest} {
			f.Add(mediaType, []byte(raw))
		}
	}
	f.Fuzz(func(t *testing.T, mediaType string, raw []byte) {
		info, err := orlop.ParseManifest(mediaType, raw)
		if err != nil {
			if !errors.Is(err, orlop.ErrManifestInvalid) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if !json.Valid(raw) || !orlop.IsManifest(info.MediaType) {
			t.Fatalf("took %q as %q", raw, info.MediaType)
		}
		for d := range info.Blobs() {
			if d.Digest.Validate() != nil || d.Size < 0 {
				t.Fatalf("blob %+v", d)
			}
		}
		var m ocispec.Manifest
		if err := json.Unmarshal(raw, &m); err != nil && info.Config != nil {
			t.Fatalf("encoding/json does not read it: %v", err)
		}
		if info.Config != nil && (info.Config.Digest != m.Config.Digest || len(info.Layers) != len(m.Layers)) {
			t.Fatalf("encoding/json reads %+v", m)
		}
	})
}
