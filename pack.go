package orlop

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// MediaTypeUnknownConfig is the media type of the configuration of an artifact
// of image-spec 1.0 that has no type.
const MediaTypeUnknownConfig = "application/vnd.unknown.config.v1+json"

// ErrNoArtifactType: an artifact of image-spec 1.1 needs an artifact type or a
// configuration that tells it.
var ErrNoArtifactType = errors.New("missing artifact type")

// ImageSpec is a version of the OCI image specification.
type ImageSpec int

// Versions of the image specification.
const (
	ImageSpecV11 ImageSpec = iota // 1.1: artifactType and subject
	ImageSpecV10                  // 1.0: the configuration's media type is the artifact's type
)

// PackOptions describe an artifact.
type PackOptions struct {
	ArtifactType string       // required by 1.1 unless Config tells it; see ImageSpec
	Layers       []Descriptor // none: the empty layer in 1.1, no layer in 1.0
	Config       *Descriptor  // nil: the empty configuration
	// ConfigAnnotations are those of the empty configuration's descriptor; a
	// Config has its own.
	ConfigAnnotations map[string]string
	Subject           *Descriptor // the manifest referred to; nil for none; not in 1.0
	Annotations       map[string]string
	// Created becomes the annotation org.opencontainers.image.created in UTC,
	// unless Annotations have it. Zero adds none, so that the same content gives
	// the same digest.
	Created   time.Time
	ImageSpec ImageSpec // zero: 1.1
}

// Blob is a blob with its content.
type Blob struct {
	Descriptor Descriptor
	Content    []byte
}

// Pack makes the manifest of an artifact, as image-spec's manifest.md,
// "Guidelines for Artifact Usage", has it. The same options give the same
// bytes. The blobs returned, of two bytes and at most one, must be pushed with
// those of the options before the manifest.
func Pack(o PackOptions) (Manifest, []Blob, error) {
	annotations, err := packAnnotations(o)
	if err != nil {
		return Manifest{}, nil, err
	}
	m := ocispec.Manifest{
		Versioned:   specs.Versioned{SchemaVersion: 2},
		MediaType:   ocispec.MediaTypeImageManifest,
		Layers:      append([]Descriptor{}, o.Layers...),
		Annotations: annotations,
	}
	var blobs []Blob
	switch o.ImageSpec {
	case ImageSpecV11:
		blobs, err = packV11(&m, o)
	case ImageSpecV10:
		blobs, err = packV10(&m, o)
	default:
		err = fmt.Errorf("unknown version %d of the image specification", o.ImageSpec)
	}
	if err != nil {
		return Manifest{}, nil, fmt.Errorf("pack: %w", err)
	}
	packed, err := marshalManifest(m)
	return packed, blobs, err
}

func packV11(m *ocispec.Manifest, o PackOptions) ([]Blob, error) {
	if o.ArtifactType == "" && (o.Config == nil || o.Config.MediaType == ocispec.MediaTypeEmptyJSON) {
		return nil, ErrNoArtifactType
	}
	if o.ArtifactType != "" {
		if err := checkMediaType("artifact type", o.ArtifactType); err != nil {
			return nil, err
		}
	}
	m.ArtifactType, m.Subject = o.ArtifactType, o.Subject
	empty := Blob{ocispec.DescriptorEmptyJSON, []byte("{}")}
	var blobs []Blob
	if o.Config != nil {
		m.Config = *o.Config
	} else {
		m.Config, blobs = empty.Descriptor, []Blob{empty}
		m.Config.Annotations = o.ConfigAnnotations
	}
	if len(m.Layers) == 0 {
		m.Layers, blobs = []Descriptor{empty.Descriptor}, []Blob{empty}
	}
	return blobs, checkMediaType("media type of the configuration", m.Config.MediaType)
}

func packV10(m *ocispec.Manifest, o PackOptions) ([]Blob, error) {
	if o.Subject != nil {
		return nil, errors.New("image-spec 1.0 has no subject")
	}
	if o.Config != nil {
		if o.ArtifactType != "" && o.ArtifactType != o.Config.MediaType {
			return nil, errors.New("image-spec 1.0 has either an artifact type or a configuration")
		}
		m.Config = *o.Config
		return nil, checkMediaType("media type of the configuration", m.Config.MediaType)
	}
	config := Blob{Descriptor{MediaType: o.ArtifactType, Digest: digest.FromString("{}"), Size: 2}, []byte("{}")}
	if o.ArtifactType == "" {
		config.Descriptor.MediaType = MediaTypeUnknownConfig
	}
	m.Config = config.Descriptor
	m.Config.Annotations = o.ConfigAnnotations
	return []Blob{config}, checkMediaType("artifact type", m.Config.MediaType)
}

func packAnnotations(o PackOptions) (map[string]string, error) {
	annotations := maps.Clone(o.Annotations)
	if given, ok := annotations[ocispec.AnnotationCreated]; ok {
		if _, err := time.Parse(time.RFC3339, given); err != nil {
			return nil, fmt.Errorf("pack: annotation %s is no time of RFC 3339: %q", ocispec.AnnotationCreated, given)
		}
		return annotations, nil
	}
	if o.Created.IsZero() {
		return annotations, nil
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[ocispec.AnnotationCreated] = o.Created.UTC().Format(time.RFC3339)
	return annotations, nil
}

// marshalManifest writes a manifest and checks what ParseManifest would.
func marshalManifest(m ocispec.Manifest) (Manifest, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return Manifest{}, fmt.Errorf("pack: %w", err)
	}
	info, err := ParseManifest(m.MediaType, raw)
	if err != nil {
		return Manifest{}, fmt.Errorf("pack: %w", err)
	}
	return Manifest{
		Descriptor: Descriptor{
			MediaType: m.MediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw)),
			ArtifactType: info.ArtifactType, Annotations: info.Annotations,
		},
		Raw: raw,
	}, nil
}

// mediaType is that of RFC 6838, section 4.2. It is compiled when it is first
// used, for it is large, and most runs of a program do without it.
var mediaType = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$`)
})

// ValidateMediaType checks the form of a media type (RFC 6838, section 4.2).
func ValidateMediaType(s string) error {
	if !mediaType().MatchString(s) {
		return fmt.Errorf("no media type: %.100q", s)
	}
	return nil
}

func checkMediaType(what, s string) error {
	if err := ValidateMediaType(s); err != nil {
		return fmt.Errorf("%s is %w", what, err)
	}
	return nil
}
