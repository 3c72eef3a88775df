package cli

import (
	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

// descriptor is a descriptor in a result as JSON.
type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
}

// manifestResult is a manifest as the result of a command, as JSON.
type manifestResult struct {
	Reference string `json:"reference"`
	descriptor
}

func describe(d orlop.Descriptor) descriptor {
	return descriptor{
		MediaType: d.MediaType, Digest: string(d.Digest), Size: d.Size,
		Annotations: d.Annotations, ArtifactType: d.ArtifactType,
	}
}

// short returns the digest as status lines show it.
func (d descriptor) short() string {
	return output.ShortDigest(orlop.Descriptor{Digest: digest.Digest(d.Digest)})
}
