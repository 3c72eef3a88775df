package acrapi

import (
	"encoding/json"
	"errors"
	"net/http"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

var errDigest = orlop.ErrDigestInvalid.With("invalid digest")

// image says which repository an answer is about.
func (c *call) image() image { return image{Registry: c.caller.LoginServer, ImageName: c.repo} }

// getRepository describes a repository.
func getRepository(_ http.Header, c *call) (any, error) {
	info, err := c.reg.RepositoryInfo(c.Context(), c.repo)
	if err != nil {
		return nil, err
	}
	return newRepository(c.image(), &info), nil
}

// deleteRepository removes a repository and tells what went with it.
func deleteRepository(_ http.Header, c *call) (any, error) {
	gone, err := c.reg.DeleteRepository(c.Context(), c.repo)
	if err != nil {
		return nil, err
	}
	return deleted{Manifests: gone.Manifests, Tags: gone.Tags}, nil
}

// getTag describes a tag.
func getTag(_ http.Header, c *call) (any, error) {
	info, err := c.reg.TagInfo(c.Context(), c.repo, c.tag)
	if err != nil {
		return nil, err
	}
	return oneTag{image: c.image(), Tag: newTag(&info)}, nil
}

// deleteTag removes a tag and leaves its manifest.
func deleteTag(_ http.Header, c *call) (any, error) {
	return nil, c.reg.DeleteTag(c.Context(), c.repo, c.tag)
}

// getManifest describes a manifest, and for an index what it refers to.
func getManifest(_ http.Header, c *call) (any, error) {
	info, err := c.reg.ManifestInfo(c.Context(), c.repo, c.digest)
	if err != nil {
		return nil, err
	}
	result := oneManifest{image: c.image(), Manifest: newManifest(&info)}
	if isIndex(info.MediaType) {
		stored, err := c.reg.Manifest(c.Context(), c.repo, c.digest.String())
		if err != nil && !errors.Is(err, orlop.ErrDisallowed) {
			return nil, err
		}
		result.Manifest.References = references(stored.Raw) // none of one that must not be read
	}
	return result, nil
}

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex ||
		mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
}

// references lists the manifests of an index with their platforms.
func references(raw []byte) []reference {
	var index ocispec.Index
	if json.Unmarshal(raw, &index) != nil {
		return nil
	}
	var refs []reference
	for _, m := range index.Manifests {
		r := reference{Digest: m.Digest}
		if m.Platform != nil {
			r.Architecture, r.OS = m.Platform.Architecture, m.Platform.OS
		}
		refs = append(refs, r)
	}
	return refs
}
