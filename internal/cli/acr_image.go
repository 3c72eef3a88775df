package cli

import (
	"fmt"
	"strings"

	"github.com/orlop/orlop/ref"
)

// image is an artifact of the registry: a tag or a digest in a repository.
type image struct {
	repo, tag, digest string
}

// imageForm says what an image may be named by.
type imageForm int

const (
	byEither    imageForm = iota // R:T or R@D; R is R:latest, as for az
	byTag                        // R:T; R is R:latest
	byNothing                    // R
	byTagOrNone                  // R:T or R
	imageForms                   // how many there are
)

// want describes the forms to the user.
var want = [imageForms]string{
	byEither: "REPOSITORY:TAG or REPOSITORY@DIGEST", byTag: "REPOSITORY:TAG",
	byNothing: "REPOSITORY, without a tag or digest", byTagOrNone: "REPOSITORY or REPOSITORY:TAG",
}

// parseImage parses the name of an image in the given form.
func parseImage(s string, form imageForm) (image, error) {
	r, err := ref.Parse("registry.invalid/" + s)
	if err != nil {
		return image{}, badImage(s, form)
	}
	im := image{repo: r.Repository, tag: r.Tag, digest: string(r.Digest)}
	if im.digest != "" {
		im.tag = "" // the digest says it all
	}
	switch {
	case form != byEither && im.digest != "", form == byNothing && im.tag != "":
		return image{}, badImage(s, form)
	case im.tag == "" && im.digest == "" && (form == byEither || form == byTag):
		im.tag = "latest"
	}
	return im, nil
}

func badImage(s string, form imageForm) error {
	return withHint(usagef("invalid name %q", s), "write it as %s", want[form])
}

// cutLoginServer splits LOGIN-SERVER/REPOSITORY…, as az takes it without a
// flag. It may be written as a URL.
func cutLoginServer(s string, form imageForm) (host, name string, err error) {
	host, name, ok := strings.Cut(strings.TrimPrefix(s, "https://"), "/")
	if !ok || ref.ValidateRegistry(host) != nil {
		return "", "", withHint(usagef("invalid name %q", s), "write it as LOGIN-SERVER/%s", want[form])
	}
	return host, name, nil
}

// String is R, R:T or R@D.
func (i image) String() string {
	switch {
	case i.digest != "":
		return i.repo + "@" + i.digest
	case i.tag != "":
		return i.repo + ":" + i.tag
	}
	return i.repo
}

// reference is the tag or the digest.
func (i image) reference() string {
	if i.digest != "" {
		return i.digest
	}
	return i.tag
}

// metadata returns the path of the image's metadata, and the key under which
// the answer has it; "" if it is the whole answer.
func (i image) metadata() (path, key string) {
	switch {
	case i.digest != "":
		return metadataPath(i.repo, "/_manifests/"+i.digest), "manifest"
	case i.tag != "":
		return metadataPath(i.repo, "/_tags/"+i.tag), "tag"
	}
	return metadataPath(i.repo, ""), ""
}

// metadataPath is the path of a repository's metadata; the name has been
// checked and needs no escaping.
func metadataPath(repo, rest string) string { return "/acr/v1/" + repo + rest }

// deletedPath is metadataPath of what has been deleted softly.
func deletedPath(repo, rest string) string { return fmt.Sprintf("/acr/v1/_deleted/%s%s", repo, rest) }
