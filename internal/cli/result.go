package cli

import "github.com/orlop/orlop"

// descriptor is a descriptor in a result as JSON.
type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
}

func describe(d orlop.Descriptor) descriptor {
	return descriptor{
		MediaType: d.MediaType, Digest: string(d.Digest), Size: d.Size,
		Annotations: d.Annotations, ArtifactType: d.ArtifactType,
	}
}
