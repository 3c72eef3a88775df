package remote

import (
	"context"
	"net/http"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// acceptManifests names every type of manifest: without it a registry may
// convert a manifest or say that there is none.
var acceptManifests = http.Header{"Accept": {strings.Join([]string{
	ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex,
	orlop.MediaTypeDockerManifest, orlop.MediaTypeDockerManifestList,
	orlop.MediaTypeOCIArtifactManifest, orlop.MediaTypeORASArtifactManifest, "*/*",
}, ", ")}}

type acceptKey struct{}

// WithManifestTypes returns a context in which Resolve and Manifest accept
// manifests of these media types only, not of all that are known. A registry may
// send another type nevertheless. Without types it returns ctx.
func WithManifestTypes(ctx context.Context, types ...string) context.Context {
	if len(types) == 0 {
		return ctx
	}
	return context.WithValue(ctx, acceptKey{}, http.Header{"Accept": {strings.Join(types, ", ")}})
}

// accepted is the header of a request for a manifest.
func accepted(ctx context.Context) http.Header {
	if h, ok := ctx.Value(acceptKey{}).(http.Header); ok {
		return h
	}
	return acceptManifests
}
