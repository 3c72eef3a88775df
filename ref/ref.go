// Package ref parses, validates and prints references to artifacts, such as
// registry.example:5000/samples/artifact:1.0 or the same with @sha256:… .
//
// The grammar is that of the OCI distribution specification ("Pulling
// manifests"). There are no defaults: a reference without a registry is
// refused rather than looked up elsewhere, and no tag is made up.
package ref

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// ErrInvalid is matched by every error of this package.
var ErrInvalid = errors.New("invalid reference")

// Reference names a repository of a registry, and in it a manifest by tag or
// by digest, or none.
type Reference struct {
	Registry   string // host or host:port, as typed
	Repository string
	Tag        string        // "" if there is none, or if there is a digest
	Digest     digest.Digest // "" if there is none
}

// Parse parses registry/repository[:tag][@digest]. If both tag and digest are
// there, the tag must be well formed and is dropped: the digest decides.
// Errors match ErrInvalid and quote the input without control characters.
func Parse(s string) (Reference, error) {
	r, err := parse(s)
	if err != nil {
		return Reference{}, fmt.Errorf("%w %s: %w", ErrInvalid, quote(s), err)
	}
	return r, nil
}

func parse(s string) (Reference, error) {
	registry, path, ok := strings.Cut(s, "/")
	if !ok {
		return Reference{}, errors.New("want registry/repository")
	}
	if err := checkRegistry(registry); err != nil {
		return Reference{}, err
	}
	r := Reference{Registry: registry}
	path, dgst, byDigest := strings.Cut(path, "@")
	repo, tag, byTag := strings.Cut(path, ":")
	if err := checkRepository(repo); err != nil {
		return Reference{}, err
	}
	r.Repository = repo
	if byTag {
		if err := checkTag(tag); err != nil {
			return Reference{}, err
		}
		r.Tag = tag
	}
	if byDigest {
		d, err := checkDigest(dgst)
		if err != nil {
			return Reference{}, err
		}
		r.Digest, r.Tag = d, ""
	}
	return r, nil
}

// String is the reference in full: what Parse takes, if r is valid.
func (r Reference) String() string {
	s := r.Registry + "/" + r.Repository
	switch {
	case r.Digest != "":
		return s + "@" + string(r.Digest)
	case r.Tag != "":
		return s + ":" + r.Tag
	}
	return s
}

// Reference is the digest if there is one, else the tag: what the methods of
// a registry take. It is empty if r names a whole repository.
func (r Reference) Reference() string {
	if r.Digest != "" {
		return string(r.Digest)
	}
	return r.Tag
}

// quoteMax is how many bytes of a bad input an error repeats.
const quoteMax = 128

// quote quotes s for an error message. Control characters are escaped and a
// long text is cut.
func quote(s string) string {
	if len(s) > quoteMax {
		return fmt.Sprintf("%q...", s[:quoteMax])
	}
	return fmt.Sprintf("%q", s)
}
