package orlop_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

func TestPack(t *testing.T) {
	layer := orlop.Descriptor{
		MediaType: "application/vnd.example.layer", Digest: digest.FromString("layer"), Size: 5,
		Annotations: map[string]string{ocispec.AnnotationTitle: "a&b.txt"},
	}
	config := orlop.Descriptor{MediaType: "application/vnd.example.config+json", Digest: digest.FromString("config"), Size: 6}
	subject := orlop.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("subject"), Size: 7}
	const (
		head       = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`
		empty      = `{"mediaType":"application/vnd.oci.empty.v1+json","digest":"` + emptyDigest + `","size":2,"data":"e30="}`
		layerJSON  = `{"mediaType":"application/vnd.example.layer","digest":"sha256:LAYER","size":5,"annotations":{"org.opencontainers.image.title":"a\u0026b.txt"}}`
		configJSON = `{"mediaType":"application/vnd.example.config+json","digest":"sha256:CONFIG","size":6}`
	)
	fill := func(s string) string {
		s = strings.Replace(s, "sha256:LAYER", string(layer.Digest), 1)
		s = strings.Replace(s, "sha256:CONFIG", string(config.Digest), 1)
		return strings.Replace(s, "sha256:SUBJECT", string(subject.Digest), 1)
	}
	created := time.Date(2026, 11, 25, 1, 2, 3, 4, time.FixedZone("", 3600))
	tests := []struct {
		name         string
		o            orlop.PackOptions
		want         string
		artifactType string
		blobs        int
	}{
		{
			"1.1", orlop.PackOptions{ArtifactType: "a/b", Layers: []orlop.Descriptor{layer}, Created: created},
			head + `"artifactType":"a/b","config":` + empty + `,"layers":[` + layerJSON +
				`],"annotations":{"org.opencontainers.image.created":"2026-11-25T00:02:03Z"}}`, "a/b", 1,
		},
		{
			"1.1 of nothing", orlop.PackOptions{ArtifactType: "a/b"},
			head + `"artifactType":"a/b","config":` + empty + `,"layers":[` + empty + `]}`, "a/b", 1,
		},
		{
			"1.1 with annotations of the configuration", orlop.PackOptions{ArtifactType: "a/b", ConfigAnnotations: map[string]string{"k": "v"}},
			head + `"artifactType":"a/b","config":` + strings.Replace(empty, `"data"`, `"annotations":{"k":"v"},"data"`, 1) +
				`,"layers":[` + empty + `]}`, "a/b", 1,
		},
		{
			"1.1 with everything",
			orlop.PackOptions{
				ArtifactType: "a/b", Layers: []orlop.Descriptor{layer}, Config: &config, Subject: &subject, Created: created,
				Annotations: map[string]string{"z": "1", ocispec.AnnotationCreated: "2020-01-01T00:00:00Z", "a": "2"},
			},
			head + `"artifactType":"a/b","config":` + configJSON + `,"layers":[` + layerJSON +
				`],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:SUBJECT","size":7}` +
				`,"annotations":{"a":"2","org.opencontainers.image.created":"2020-01-01T00:00:00Z","z":"1"}}`, "a/b", 0,
		},
		{
			"1.1 typed by its configuration", orlop.PackOptions{Config: &config, Layers: []orlop.Descriptor{layer}},
			head + `"config":` + configJSON + `,"layers":[` + layerJSON + `]}`, config.MediaType, 0,
		},
		{
			"1.0", orlop.PackOptions{ImageSpec: orlop.ImageSpecV10, ArtifactType: "a/b", Layers: []orlop.Descriptor{layer}},
			head + `"config":{"mediaType":"a/b","digest":"` + emptyDigest + `","size":2},"layers":[` + layerJSON + `]}`, "a/b", 1,
		},
		{
			"1.0 of nothing", orlop.PackOptions{ImageSpec: orlop.ImageSpecV10},
			head + `"config":{"mediaType":"application/vnd.unknown.config.v1+json","digest":"` + emptyDigest + `","size":2},"layers":[]}`,
			orlop.MediaTypeUnknownConfig, 1,
		},
		{
			"1.0 with a configuration",
			orlop.PackOptions{ImageSpec: orlop.ImageSpecV10, Config: &config, Layers: []orlop.Descriptor{layer}},
			head + `"config":` + configJSON + `,"layers":[` + layerJSON + `]}`, config.MediaType, 0,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, blobs, err := orlop.Pack(tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if want := fill(tt.want); string(m.Raw) != want {
				t.Errorf("got\n%s\nwant\n%s", m.Raw, want)
			}
			if m.Descriptor.Digest != digest.FromBytes(m.Raw) || m.Descriptor.ArtifactType != tt.artifactType {
				t.Errorf("described as %+v", m.Descriptor)
			}
			if len(blobs) != tt.blobs {
				t.Fatalf("%d blobs to push, want %d", len(blobs), tt.blobs)
			}
			for _, b := range blobs {
				if b.Descriptor.Digest != digest.FromBytes(b.Content) || b.Descriptor.Size != int64(len(b.Content)) {
					t.Errorf("blob %q is described as %+v", b.Content, b.Descriptor)
				}
			}
		})
	}
}

func TestPackRefuses(t *testing.T) {
	empty := ocispec.DescriptorEmptyJSON
	config := orlop.Descriptor{MediaType: "a/b", Digest: emptyDigest, Size: 2}
	untyped := orlop.Descriptor{Digest: emptyDigest, Size: 2}
	for name, o := range map[string]orlop.PackOptions{
		"no type":                 {},
		"empty config only":       {Config: &empty},
		"type that is none":       {ArtifactType: "x"},
		"type with a parameter":   {ArtifactType: "a/b; c=d"},
		"config without type":     {ArtifactType: "a/b", Config: &untyped},
		"created that is no time": {ArtifactType: "a/b", Annotations: map[string]string{ocispec.AnnotationCreated: "today"}},
		"layer without digest":    {ArtifactType: "a/b", Layers: []orlop.Descriptor{{Size: 1}}},
		"layer of negative size":  {ArtifactType: "a/b", Layers: []orlop.Descriptor{{Digest: emptyDigest, Size: -1}}},
		"subject without digest":  {ArtifactType: "a/b", Subject: &orlop.Descriptor{}},
		"1.0 with a subject":      {ImageSpec: orlop.ImageSpecV10, Subject: &config},
		"1.0 with two types":      {ImageSpec: orlop.ImageSpecV10, ArtifactType: "c/d", Config: &config},
		"unknown version":         {ImageSpec: 7, ArtifactType: "a/b"},
		"too large":               {ArtifactType: "a/b", Annotations: map[string]string{"a": strings.Repeat("a", orlop.MaxManifestSize)}},
	} {
		if m, _, err := orlop.Pack(o); err == nil {
			t.Errorf("%s: packed %.200s", name, m.Raw)
		}
	}
	if _, _, err := orlop.Pack(orlop.PackOptions{}); !errors.Is(err, orlop.ErrNoArtifactType) {
		t.Errorf("no type: %v", err)
	}
}

func TestPackLeavesItsOptions(t *testing.T) {
	annotations := map[string]string{"a": "b"}
	layers := make([]orlop.Descriptor, 0, 4)
	if _, _, err := orlop.Pack(orlop.PackOptions{ArtifactType: "a/b", Annotations: annotations, Layers: layers, Created: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if len(annotations) != 1 || layers[:1][0].Digest != "" {
		t.Errorf("changed to %v, %v", annotations, layers[:1])
	}
}
