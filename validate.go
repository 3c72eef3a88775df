package orlop

import (
	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/ref"
)

// ValidateRepository returns ErrNameInvalid unless name is a repository name
// (ref.ValidateRepository).
func ValidateRepository(name string) error {
	if err := ref.ValidateRepository(name); err != nil {
		return ErrNameInvalid.With(err.Error())
	}
	return nil
}

// ValidateTag returns ErrTagInvalid unless tag is a tag (ref.ValidateTag).
func ValidateTag(tag string) error {
	if err := ref.ValidateTag(tag); err != nil {
		return ErrTagInvalid.With(err.Error())
	}
	return nil
}

// ValidateDigest returns ErrDigestInvalid unless dgst is a SHA-256 or SHA-512
// digest (ref.ValidateDigest).
func ValidateDigest(dgst digest.Digest) error {
	if _, err := ref.ValidateDigest(string(dgst)); err != nil {
		return ErrDigestInvalid.With(err.Error())
	}
	return nil
}

// ValidateReference returns ErrDigestInvalid or ErrTagInvalid unless reference
// is a digest or a tag.
func ValidateReference(reference string) error {
	if IsDigest(reference) {
		return ValidateDigest(digest.Digest(reference))
	}
	return ValidateTag(reference)
}
