package acrapi

import (
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/ref"
)

// kind is what a path names.
type kind uint8

const (
	kindCatalog    kind = iota // /acr/v1/_catalog
	kindRepository             // /acr/v1/NAME
	kindTags                   // /acr/v1/NAME/_tags
	kindTag                    // /acr/v1/NAME/_tags/TAG
	kindManifests              // /acr/v1/NAME/_manifests
	kindManifest               // /acr/v1/NAME/_manifests/DIGEST

	kindDeletedCatalog   // /acr/v1/_deleted/_catalog
	kindDeletedTags      // /acr/v1/_deleted/NAME/_tags
	kindDeletedManifests // /acr/v1/_deleted/NAME/_manifests
	kindDeletedManifest  // /acr/v1/_deleted/NAME/_manifests/DIGEST
)

// route is a path taken apart; every part is valid.
type route struct {
	kind   kind
	repo   string
	tag    string        // kindTag
	digest digest.Digest // kindManifest, kindDeletedManifest
}

// deletedKinds are the kinds under /acr/v1/_deleted/ that are spelled like those
// of what is live.
var deletedKinds = map[kind]kind{
	kindCatalog: kindDeletedCatalog, kindTags: kindDeletedTags,
	kindManifests: kindDeletedManifests, kindManifest: kindDeletedManifest,
}

var errNoRoute = &orlop.Error{Code: orlop.CodeUnsupported, Message: "no such path in this API", Status: 404}

// parseRoute takes the path of a request apart. It reads the escaped path:
// clients send the slashes of a repository name escaped or not. No part of a
// repository name begins with an underscore, so that the words of the API cannot
// be taken for one.
func parseRoute(escapedPath string) (route, error) {
	path, ok := strings.CutPrefix(escapedPath, "/acr/v1/")
	if !ok {
		return route{}, errNoRoute
	}
	if path, ok = strings.CutPrefix(path, "_deleted/"); !ok {
		return parseLive(path)
	}
	rt, err := parseLive(path)
	if err != nil {
		return rt, err
	}
	if rt.kind, ok = deletedKinds[rt.kind]; !ok {
		return route{}, errNoRoute
	}
	return rt, nil
}

// parseLive parses a path after /acr/v1/.
func parseLive(path string) (route, error) {
	switch {
	case path == "_catalog":
		return route{kind: kindCatalog}, nil
	case strings.HasPrefix(path, "_"):
		return route{}, errNoRoute
	}
	name, rest, found := strings.Cut(path, "/_")
	rt := route{kind: kindRepository}
	var err error
	if rt.repo, err = url.PathUnescape(name); err != nil || ref.ValidateRepository(rt.repo) != nil {
		return rt, orlop.ErrNameInvalid
	}
	if found {
		err = rt.parseRest(rest)
	}
	return rt, err
}

// parseRest parses what follows the underscore after the repository name.
func (rt *route) parseRest(rest string) error {
	word, last, found := strings.Cut(rest, "/")
	item, err := url.PathUnescape(last)
	switch {
	case err != nil:
		return errNoRoute
	case word == "tags" && !found:
		rt.kind = kindTags
	case word == "manifests" && !found:
		rt.kind = kindManifests
	case word == "tags":
		rt.kind, rt.tag = kindTag, item
		if ref.ValidateTag(item) != nil {
			return orlop.ErrTagInvalid
		}
	case word == "manifests":
		return rt.parseManifest(item)
	default:
		return errNoRoute
	}
	return nil
}

// parseManifest parses the name of a manifest, which is a digest. A tag in its
// place is not found, as in ACR.
func (rt *route) parseManifest(item string) (err error) {
	rt.kind = kindManifest
	if rt.digest, err = ref.ValidateDigest(item); err == nil {
		return nil
	}
	if ref.ValidateTag(item) == nil {
		return orlop.ErrManifestUnknown
	}
	return orlop.ErrDigestInvalid.With("invalid digest: want sha256 or sha512 and lower-case hexadecimal")
}
