package distapi

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
	kindPing       kind = iota // /v2/
	kindCatalog                // /v2/_catalog
	kindTags                   // /v2/NAME/tags/list
	kindManifest               // /v2/NAME/manifests/REFERENCE
	kindBlob                   // /v2/NAME/blobs/DIGEST
	kindUploads                // /v2/NAME/blobs/uploads/
	kindUpload                 // /v2/NAME/blobs/uploads/ID
	kindReferrers              // /v2/NAME/referrers/DIGEST
	kindReadBlobs              // /v2/NAME/_orlop/blobs/read
	kindWriteBlobs             // /v2/NAME/_orlop/blobs/write
)

// route is a path taken apart. Every part is valid; what is not valid does not
// become a route.
type route struct {
	kind   kind
	repo   string
	tag    string        // kindManifest by tag
	digest digest.Digest // kindManifest by digest, kindBlob, kindReferrers
	upload string        // kindUpload
	query  string        // raw; see parseUpload
}

// reference is the tag or digest of a manifest, as the engine takes it.
func (rt *route) reference() string {
	if rt.digest != "" {
		return rt.digest.String()
	}
	return rt.tag
}

var errNoRoute = &orlop.Error{Code: orlop.CodeUnsupported, Message: "no such path in this API", Status: 404}

// parseRoute takes the path of a request apart. It reads the escaped path from
// its end, because a repository name may hold words like "blobs" and, escaped
// or not, any number of slashes; the words of the API itself are never escaped.
func parseRoute(escapedPath, rawQuery string) (route, error) {
	rt := route{query: rawQuery}
	path, ok := strings.CutPrefix(escapedPath, "/v2/")
	switch {
	case path == "" && ok, escapedPath == "/v2":
		return rt, nil
	case !ok:
		return rt, errNoRoute
	case path == "_catalog":
		rt.kind = kindCatalog
		return rt, nil
	}
	path, last := cutLast(path)
	name, word := cutLast(path)
	err := rt.parseEnd(name, word, last)
	return rt, err
}

// parseEnd parses the last two segments of a path, word and last, after name.
func (rt *route) parseEnd(name, word, last string) error {
	switch {
	case word == "tags" && last == "list":
		rt.kind = kindTags
		return rt.parseName(name)
	case word == "manifests":
		rt.kind = kindManifest
		return rt.parseReference(name, last)
	case word == "blobs" && last == "uploads":
		rt.kind = kindUploads
		return rt.parseName(name)
	case word == "blobs" && strings.HasSuffix(name, "/_orlop"):
		return rt.parseExtension(strings.TrimSuffix(name, "/_orlop"), last)
	case word == "blobs":
		rt.kind = kindBlob
		return rt.parseDigest(name, last)
	case word == "referrers":
		rt.kind = kindReferrers
		return rt.parseDigest(name, last)
	case word == "uploads":
		name, ok := strings.CutSuffix(name, "/blobs")
		if !ok {
			return errNoRoute
		}
		return rt.parseUpload(name, last)
	}
	return errNoRoute
}

// parseExtension parses the last segment of a path under /_orlop/blobs/, which
// no repository name can hold.
func (rt *route) parseExtension(name, last string) error {
	switch last {
	case "read":
		rt.kind = kindReadBlobs
	case "write":
		rt.kind = kindWriteBlobs
	default:
		return errNoRoute
	}
	return rt.parseName(name)
}

func (rt *route) parseName(escaped string) (err error) {
	if rt.repo, err = unescape(escaped); err == nil {
		err = ref.ValidateRepository(rt.repo)
	}
	if err != nil {
		return orlop.ErrNameInvalid
	}
	return nil
}

func (rt *route) parseReference(name, escaped string) error {
	reference, err := unescape(escaped)
	if err != nil {
		return orlop.ErrTagInvalid
	}
	if orlop.IsDigest(reference) {
		return rt.parseDigest(name, reference)
	}
	if err := rt.parseName(name); err != nil {
		return err
	}
	rt.tag = reference
	if ref.ValidateTag(reference) != nil {
		return orlop.ErrTagInvalid
	}
	return nil
}

func (rt *route) parseDigest(name, escaped string) error {
	if err := rt.parseName(name); err != nil {
		return err
	}
	s, err := unescape(escaped)
	if err != nil {
		return errDigestSyntax
	}
	rt.digest, err = parseDigest(s)
	return err
}

// maxUploadID is more than any upload id has, in bytes.
const maxUploadID = 128

// parseUpload parses what follows /blobs/uploads/. Some clients append
// "&digest=..." to a Location whether or not it has a query, so an id ends at
// the first ampersand and what follows belongs to the query.
func (rt *route) parseUpload(name, escaped string) error {
	if err := rt.parseName(name); err != nil {
		return err
	}
	if escaped == "" {
		rt.kind = kindUploads
		return nil
	}
	rt.kind = kindUpload
	id, more, found := strings.Cut(escaped, "&")
	if found {
		rt.query = more + "&" + rt.query
	}
	rt.upload = id
	if !isUploadID(id) {
		return orlop.ErrUploadInvalid.With("invalid upload id")
	}
	return nil
}

// isUploadID tells whether an id could be one of ours: it comes from us, so
// anything else is somebody's try.
func isUploadID(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return 0 < len(id) && len(id) <= maxUploadID
}

var errDigestSyntax = orlop.ErrDigestInvalid.With("invalid digest: want sha256 or sha512 and lower-case hexadecimal")

// parseDigest parses a digest from a path, query or header.
func parseDigest(s string) (digest.Digest, error) {
	d, err := ref.ValidateDigest(s)
	if err != nil {
		return "", errDigestSyntax
	}
	return d, nil
}

// cutLast splits at the last slash.
func cutLast(path string) (before, last string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// unescape undoes percent encoding; without any it allocates nothing.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, nil
	}
	return url.PathUnescape(s)
}
