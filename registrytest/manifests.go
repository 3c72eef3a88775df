package registrytest

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

var manifestTests = []test{
	{"push and read", testManifestPush, nil},
	{"every type", testManifestTypes, nil},
	{"tags", testManifestTags, nil},
	{"tags all or none", testManifestTagsAllOrNone, nil},
	{"unknown", testManifestUnknown, nil},
	{"blob absent", testManifestBlobAbsent, func(o Options) bool { return o.SparseImages }},
	{"blob of another repository", testManifestBlobElsewhere,
		func(o Options) bool { return o.SparseImages || o.OneRepository }},
	{"what may be absent", testManifestSparse, nil},
	{"index of absent manifests", testIndexSparse, func(o Options) bool { return o.NoSparseIndexes }},
	{"belongs to its repository", testManifestRepository, oneRepository},
	{"invalid leaves nothing", testManifestInvalid, nil},
	{"blob of another size", testManifestBlobSize, func(o Options) bool { return o.SparseImages }},
	{"sha512", testManifestSHA512, noSHA512},
}

func testManifestPush(e *env) {
	raw := e.image(e.repo, func(m *ocispec.Manifest) {
		m.ArtifactType = "application/vnd.example.artifact"
		m.Annotations = map[string]string{"key": "value <&>\u2028é"}
	})
	for _, mediaType := range []string{"", ocispec.MediaTypeImageManifest} { // the second time it is there already
		desc, err := e.PushManifest(e.Context(), e.repo, mediaType, raw, "tag")
		e.must("push manifest", err)
		if desc.MediaType != ocispec.MediaTypeImageManifest || desc.Digest != digest.FromBytes(raw) ||
			desc.Size != int64(len(raw)) {
			e.Errorf("push returned %s %s, %d bytes", desc.MediaType, desc.Digest, desc.Size)
		}
		if desc.ArtifactType != "application/vnd.example.artifact" ||
			!maps.Equal(desc.Annotations, map[string]string{"key": "value <&>\u2028é"}) {
			e.Errorf("push returned artifact type %q and annotations %q", desc.ArtifactType, desc.Annotations)
		}
		e.wantManifest(e.repo, "tag", desc, raw)
		e.wantManifest(e.repo, string(desc.Digest), desc, raw)
	}
}

func testManifestTypes(e *env) {
	image := e.pushImage(e.repo, "child")
	config, layer := e.pushBlob(e.repo, []byte("{}")), e.pushBlob(e.repo, []byte("a layer"))
	tests := []struct {
		mediaType    string
		manifest     map[string]any
		artifactType string
	}{
		{ocispec.MediaTypeImageManifest, map[string]any{"config": config, "layers": []any{layer}}, config.MediaType},
		{ocispec.MediaTypeImageManifest, map[string]any{"config": config, "layers": []any{}}, config.MediaType},
		{orlop.MediaTypeDockerManifest, map[string]any{"config": config, "layers": []any{layer, layer}}, config.MediaType},
		{ocispec.MediaTypeImageIndex, map[string]any{"manifests": []any{image}, "artifactType": "a/b"}, "a/b"},
		{ocispec.MediaTypeImageIndex, map[string]any{"manifests": []any{}}, ""},
		{orlop.MediaTypeDockerManifestList, map[string]any{"manifests": []any{image, image}}, ""},
		{orlop.MediaTypeOCIArtifactManifest, map[string]any{"blobs": []any{layer}, "artifactType": "a/b"}, "a/b"},
	}
	for i, tt := range tests {
		tt.manifest["schemaVersion"] = 2
		raw := e.json(tt.manifest) // which does not say its media type
		tag := fmt.Sprint("tag", i)
		desc, err := e.PushManifest(e.Context(), e.repo, tt.mediaType, raw, tag)
		if err != nil {
			e.Errorf("%s: %v", tt.mediaType, err)
			continue
		}
		if desc.MediaType != tt.mediaType || desc.ArtifactType != tt.artifactType {
			e.Errorf("%s came back as %s of artifact type %q", tt.mediaType, desc.MediaType, desc.ArtifactType)
		}
		e.wantManifest(e.repo, tag, desc, raw)
	}
}

func testManifestTags(e *env) {
	one := e.pushImage(e.repo, "one", "a", "b", "c")
	for _, tag := range []string{"a", "b", "c"} {
		e.wantManifest(e.repo, tag, one, nil)
	}
	two := e.pushImage(e.repo, "two", "b", "d", "d")
	for tag, want := range map[string]orlop.Descriptor{"a": one, "b": two, "c": one, "d": two} {
		e.wantManifest(e.repo, tag, want, nil)
	}
	e.wantManifest(e.repo, string(one.Digest), one, nil)
	untagged := e.pushImage(e.repo, "untagged")
	e.wantManifest(e.repo, string(untagged.Digest), untagged, nil)
}

func testManifestTagsAllOrNone(e *env) {
	old := e.pushImage(e.repo, "old", "moves")
	raw := e.image(e.repo, nil)
	_, err := e.PushManifest(e.Context(), e.repo, "", raw, "new", "moves", "not a tag")
	e.wantErr("push", err, orlop.ErrTagInvalid)
	e.wantNoManifest(e.repo, "new")
	e.wantNoManifest(e.repo, string(digest.FromBytes(raw)))
	e.wantManifest(e.repo, "moves", old, nil)
}

func testManifestUnknown(e *env) {
	absent := digest.FromString("absent")
	e.wantNoManifest(e.repo, "absent")
	e.wantNoManifest(e.repo, string(absent))
	e.pushImage(e.repo, "present", "present")
	for _, reference := range []string{"absent", "Present", string(absent)} {
		_, err := e.Resolve(e.Context(), e.repo, reference)
		e.wantErr("resolve", err, orlop.ErrManifestUnknown)
		_, err = e.Manifest(e.Context(), e.repo, reference)
		e.wantErr("manifest", err, orlop.ErrManifestUnknown)
	}
	blob := e.pushBlob(e.repo, []byte("a blob is no manifest"))
	e.wantNoManifest(e.repo, string(blob.Digest))
}

func testManifestBlobAbsent(e *env) {
	absent := describe([]byte("absent"))
	for name, edit := range map[string]func(*ocispec.Manifest){
		"config": func(m *ocispec.Manifest) { m.Config = absent },
		"layer":  func(m *ocispec.Manifest) { m.Layers = append(m.Layers, absent) },
	} {
		raw := e.image(e.repo, edit)
		_, err := e.PushManifest(e.Context(), e.repo, "", raw, "tag")
		e.wantErr(name, err, orlop.ErrManifestBlobUnknown)
		e.wantNoManifest(e.repo, "tag")
		e.wantNoManifest(e.repo, string(digest.FromBytes(raw)))
	}
}

func testManifestBlobElsewhere(e *env) {
	raw := e.image(e.repo, nil)
	other := newName()
	_, err := e.PushManifest(e.Context(), other, "", raw, "tag")
	e.wantErr("push", err, orlop.ErrManifestBlobUnknown)
	e.pushBlob(other, []byte("{}")) // one of two
	_, err = e.PushManifest(e.Context(), other, "", raw, "tag")
	e.wantErr("push", err, orlop.ErrManifestBlobUnknown)
	e.wantNoManifest(other, "tag")
}

func testManifestSparse(e *env) {
	raw := e.image(e.repo, func(m *ocispec.Manifest) {
		foreign := describe([]byte("elsewhere"))
		foreign.MediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
		foreign.URLs = []string{"https://example.com/layer"}
		m.Layers = append(m.Layers, foreign)
		subject := describe([]byte("comes later"))
		subject.MediaType = ocispec.MediaTypeImageManifest
		m.Subject = &subject
	})
	e.wantManifest(e.repo, "tag", e.pushManifest(e.repo, raw, "tag"), raw)
}

func testIndexSparse(e *env) {
	absent := describe([]byte("absent"))
	absent.MediaType = ocispec.MediaTypeImageManifest
	raw := e.json(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageIndex,
		Manifests: []orlop.Descriptor{e.pushImage(e.repo, "present"), absent},
	})
	e.wantManifest(e.repo, "tag", e.pushManifest(e.repo, raw, "tag"), raw)
}

func testManifestRepository(e *env) {
	desc := e.pushImage(e.repo, "mine", "tag")
	other := newName()
	e.wantNoManifest(other, "tag")
	theirs := e.pushImage(other, "theirs", "tag")
	e.wantNoManifest(other, string(desc.Digest))
	e.wantManifest(other, "tag", theirs, nil)
	e.wantManifest(e.repo, "tag", desc, nil)
}

func testManifestInvalid(e *env) {
	good := string(e.image(e.repo, nil))
	invalid := map[string]string{
		"nothing":                "",
		"no JSON":                "{",
		"no object":              "[]",
		"two objects":            good + good,
		"no schema version":      strings.Replace(good, `"schemaVersion": 2`, `"schemaVersion": 1`, 1),
		"no media type":          strings.Replace(good, `"mediaType"`, `"other"`, 1),
		"another media type":     strings.Replace(good, ocispec.MediaTypeImageManifest, "application/json", 1),
		"another kind":           strings.Replace(good, ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, 1),
		"layers and manifests":   strings.Replace(good, `"config"`, `"manifests": [], "config"`, 1),
		"a digest that is none":  strings.Replace(good, string(digest.FromString("a layer")), "sha256:../../etc/passwd", 1),
		"a digest that is weak":  strings.Replace(good, string(digest.FromString("a layer")), "md5:d41d8cd98f00b204e9800998ecf8427e", 1),
		"a size below nothing":   strings.Replace(good, `"size": 7`, `"size": -7`, 1),
		"nested without end":     `{"schemaVersion":2,"x":` + strings.Repeat("[", 100_000),
		"more than is allowed":   good + strings.Repeat(" ", orlop.MaxManifestSize),
		"a layer that is a text": strings.Replace(good, `"layers": [`, `"layers": ["text",`, 1),
	}
	for name, raw := range invalid {
		if raw == good {
			e.Fatalf("%s: the test does not change the manifest", name)
		}
		_, err := e.PushManifest(e.Context(), e.repo, "", []byte(raw), "tag")
		e.wantErr(name, err, orlop.ErrManifestInvalid)
		e.wantNoManifest(e.repo, "tag")
		e.wantNoManifest(e.repo, string(digest.FromString(raw)))
	}
	_, err := e.PushManifest(e.Context(), e.repo, ocispec.MediaTypeImageIndex, []byte(good), "tag")
	e.wantErr("media types that disagree", err, orlop.ErrManifestInvalid)
	e.wantNoManifest(e.repo, "tag")
}

func testManifestBlobSize(e *env) {
	raw := e.image(e.repo, func(m *ocispec.Manifest) { m.Layers[0].Size++ })
	_, err := e.PushManifest(e.Context(), e.repo, "", raw, "tag")
	e.wantErr("push", err, orlop.ErrManifestInvalid)
	e.wantNoManifest(e.repo, "tag")
	e.wantNoManifest(e.repo, string(digest.FromBytes(raw)))
}

func testManifestSHA512(e *env) {
	pusher, ok := e.Registry.(orlop.DigestPusher)
	if !ok {
		e.Skip("the implementation is no orlop.DigestPusher")
	}
	blob := []byte("known by SHA-512")
	layer := describe(blob)
	layer.Digest = digest.SHA512.FromBytes(blob)
	e.must("push blob", e.PushBlob(e.Context(), e.repo, layer, bytes.NewReader(blob)))
	raw := e.image(e.repo, func(m *ocispec.Manifest) { m.Layers = []orlop.Descriptor{layer} })
	dgst := digest.SHA512.FromBytes(raw)
	desc, err := pusher.PushManifestDigest(e.Context(), e.repo, "", dgst, raw, "tag")
	e.must("push manifest", err)
	if desc.Digest != dgst {
		e.Errorf("pushed as %s, got %s", dgst, desc.Digest)
	}
	e.wantManifest(e.repo, "tag", desc, raw)
	e.wantManifest(e.repo, string(dgst), desc, raw)
	_, err = pusher.PushManifestDigest(e.Context(), e.repo, "", digest.SHA512.FromString("other"), raw, "other")
	e.wantErr("push under another digest", err, orlop.ErrDigestInvalid)
	e.wantNoManifest(e.repo, "other")
}
