package orlop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/ref"
)

// Media types of manifests that are understood besides ocispec's image
// manifest and image index.
const (
	MediaTypeDockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
	// Two artifact manifests were drafts of what image-spec 1.1 became, and are
	// still in registries.
	MediaTypeOCIArtifactManifest  = "application/vnd.oci.artifact.manifest.v1+json"
	MediaTypeORASArtifactManifest = "application/vnd.cncf.oras.artifact.manifest.v1+json"
)

// shape is what kind of document a manifest is.
type shape int

const (
	shapeNone     shape = iota
	shapeImage          // config and layers
	shapeIndex          // manifests
	shapeArtifact       // blobs
)

func shapeOf(mediaType string) shape {
	switch mediaType {
	case ocispec.MediaTypeImageManifest, MediaTypeDockerManifest:
		return shapeImage
	case ocispec.MediaTypeImageIndex, MediaTypeDockerManifestList:
		return shapeIndex
	case MediaTypeOCIArtifactManifest, MediaTypeORASArtifactManifest:
		return shapeArtifact
	}
	return shapeNone
}

// IsManifest tells whether a media type is one of the manifests that
// ParseManifest reads.
func IsManifest(mediaType string) bool { return shapeOf(mediaType) != shapeNone }

// IsIndex tells whether a media type is an image index or a Docker manifest
// list.
func IsIndex(mediaType string) bool { return shapeOf(mediaType) == shapeIndex }

// IsForeign tells whether a layer of this media type lies outside registries,
// at its URLs, and need not be in the repository.
func IsForeign(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/vnd.oci.image.layer.nondistributable.v1.tar") ||
		strings.HasPrefix(mediaType, "application/vnd.docker.image.rootfs.foreign.diff.tar")
}

// ManifestInfo is what a manifest says, whatever its type. Descriptors are in
// the order of the document and may repeat; their digests and sizes are well
// formed.
type ManifestInfo struct {
	MediaType string
	// ArtifactType is the artifact type as the referrers API gives it: that of
	// the manifest, else the media type of its configuration.
	ArtifactType string
	Config       *Descriptor // nil if the manifest has none
	// Layers are the layers or the blobs, foreign ones too (see IsForeign), and
	// entries of an index that are no manifests, as build caches have them.
	Layers   []Descriptor
	Children []Descriptor // manifests of an index
	Subject  *Descriptor  // nil if the manifest refers to none
	// Annotations of the manifest itself.
	Annotations map[string]string
}

// Blobs yields the configuration and the layers, foreign ones left out, each
// digest once: the blobs that must be in the manifest's repository.
func (m ManifestInfo) Blobs() iter.Seq[Descriptor] {
	return func(yield func(Descriptor) bool) {
		seen := make(map[digest.Digest]bool, len(m.Layers)+1)
		if m.Config != nil {
			seen[m.Config.Digest] = true
			if !yield(*m.Config) {
				return
			}
		}
		for _, layer := range m.Layers {
			if IsForeign(layer.MediaType) || seen[layer.Digest] {
				continue
			}
			seen[layer.Digest] = true
			if !yield(layer) {
				return
			}
		}
	}
}

// ParseManifest reads an OCI image manifest or index, a Docker image manifest
// (version 2, schema 2) or manifest list, or an artifact manifest. mediaType is
// what the sender or the descriptor says; if it is empty the document must say
// it, and if both do they must agree.
//
// A document that two readers could take for different things is refused
// (CVE-2021-41190): one with layers and manifests, with a field given twice or
// in other letter case, or with a field of another type. Fields that no
// specification names are let through. All errors are ErrManifestInvalid.
func ParseManifest(mediaType string, raw []byte) (ManifestInfo, error) {
	info, err := parseManifest(mediaType, raw)
	if err != nil {
		return ManifestInfo{}, ErrManifestInvalid.With("manifest invalid: " + err.Error())
	}
	return info, nil
}

func parseManifest(mediaType string, raw []byte) (ManifestInfo, error) {
	if len(raw) > MaxManifestSize {
		return ManifestInfo{}, fmt.Errorf("it has %d bytes, more than %d", len(raw), MaxManifestSize)
	}
	var doc document
	if err := doc.decode(raw); err != nil {
		return ManifestInfo{}, err
	}
	info, err := doc.info(mediaType)
	if err != nil {
		return ManifestInfo{}, err
	}
	return info, info.check()
}

// document has the fields of all manifests together.
type document struct {
	SchemaVersion int
	MediaType     string
	ArtifactType  string
	Config        *Descriptor
	Layers        []Descriptor
	Manifests     []Descriptor
	Blobs         []Descriptor
	Subject       *Descriptor
	Annotations   map[string]string

	has map[string]bool // the fields that were there, null or not
}

// field returns where to decode a field to, or nil if no manifest has it.
func (d *document) field(name string) any {
	switch name {
	case "schemaVersion":
		return &d.SchemaVersion
	case "mediaType":
		return &d.MediaType
	case "artifactType":
		return &d.ArtifactType
	case "config":
		return &d.Config
	case "layers":
		return &d.Layers
	case "manifests":
		return &d.Manifests
	case "blobs":
		return &d.Blobs
	case "subject":
		return &d.Subject
	case "annotations":
		return &d.Annotations
	}
	return nil
}

var fieldNames = []string{
	"schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "blobs", "subject", "annotations",
}

// decode reads the object field by field: encoding/json alone would let a
// field come twice and match names in any letter case.
func (d *document) decode(raw []byte) error {
	d.has = make(map[string]bool, len(fieldNames))
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("it is not a JSON object")
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return fmt.Errorf("it is not JSON: %w", err)
		}
		if err := d.decodeField(dec, t.(string)); err != nil { // keys are strings
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	return nil
}

func (d *document) decodeField(dec *json.Decoder, name string) error {
	to := d.field(name)
	if to == nil {
		for _, known := range fieldNames {
			if strings.EqualFold(name, known) {
				return fmt.Errorf("field %.100q must be spelled %q", name, known)
			}
		}
		to = new(json.RawMessage)
	} else if d.has[name] {
		return fmt.Errorf("field %q is given twice", name)
	}
	d.has[name] = true
	if err := dec.Decode(to); err != nil {
		return fmt.Errorf("field %q: %w", name, err)
	}
	return nil
}

// info settles what the document is.
func (d *document) info(mediaType string) (ManifestInfo, error) {
	if mediaType == "" {
		mediaType = d.MediaType
	}
	kind := shapeOf(mediaType)
	switch {
	case mediaType == "":
		return ManifestInfo{}, errors.New("it does not say its media type")
	case d.MediaType != "" && d.MediaType != mediaType:
		return ManifestInfo{}, fmt.Errorf("it says that it is %.100q, but was named %.100q", d.MediaType, mediaType)
	case kind == shapeNone:
		return ManifestInfo{}, fmt.Errorf("media type %.100q is not one of a manifest", mediaType)
	case kind != shapeArtifact && d.SchemaVersion != 2:
		return ManifestInfo{}, fmt.Errorf("its schemaVersion is %d, not 2", d.SchemaVersion)
	}
	if err := d.checkShape(kind); err != nil {
		return ManifestInfo{}, err
	}
	m := ManifestInfo{
		MediaType: mediaType, ArtifactType: d.ArtifactType,
		Config: d.Config, Subject: d.Subject, Annotations: d.Annotations,
		Layers: append(d.Layers, d.Blobs...), // one of them is empty
	}
	if m.ArtifactType == "" && m.Config != nil {
		m.ArtifactType = m.Config.MediaType
	}
	for _, desc := range d.Manifests {
		if isChild(desc.MediaType) {
			m.Children = append(m.Children, desc)
		} else {
			m.Layers = append(m.Layers, desc)
		}
	}
	return m, nil
}

// checkShape refuses a document that has the contents of another type.
func (d *document) checkShape(kind shape) error {
	for _, f := range []struct {
		name string
		kind shape
	}{
		{"config", shapeImage}, {"layers", shapeImage}, {"manifests", shapeIndex}, {"blobs", shapeArtifact},
	} {
		if d.has[f.name] && f.kind != kind {
			return fmt.Errorf("its type has no field %q", f.name)
		}
	}
	if kind == shapeImage && d.Config == nil {
		return errors.New("it has no config")
	}
	if kind == shapeIndex && !d.has["manifests"] {
		return errors.New("it has no manifests")
	}
	return nil
}

// isChild tells whether an entry of an index is a manifest, as far as its media
// type tells. Docker's schema 1 is not read, but it is no blob either.
func isChild(mediaType string) bool {
	return mediaType == "" || IsManifest(mediaType) ||
		strings.HasPrefix(mediaType, "application/vnd.docker.distribution.manifest.v1+")
}

// check validates the descriptors.
func (m *ManifestInfo) check() error {
	if m.Config != nil {
		if err := checkDescriptor("config", *m.Config); err != nil {
			return err
		}
	}
	for _, desc := range m.Layers {
		if err := checkDescriptor("layer", desc); err != nil {
			return err
		}
	}
	for _, desc := range m.Children {
		if err := checkDescriptor("manifest", desc); err != nil {
			return err
		}
	}
	if m.Subject != nil {
		return checkDescriptor("subject", *m.Subject)
	}
	return nil
}

func checkDescriptor(what string, desc Descriptor) error {
	if _, err := ref.ValidateDigest(string(desc.Digest)); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if desc.Size < 0 {
		return fmt.Errorf("%s %s: size %d", what, desc.Digest, desc.Size)
	}
	return nil
}
