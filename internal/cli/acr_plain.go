package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// What a registry without the ACR data plane can tell by the distribution API
// alone, so that the acr commands are of use with every registry.

// lacksACR reports whether a registry seems to have no ACR data plane: it does
// not know the path, and names no content that is missing.
func lacksACR(err error) bool {
	e, ok := errors.AsType[*orlop.Error](err)
	if !ok {
		return false
	}
	switch e.Code {
	case orlop.CodeNameUnknown, orlop.CodeTagUnknown, orlop.CodeManifestUnknown, orlop.CodeDisallowed:
		return false
	}
	return e.HTTPStatus() == http.StatusNotFound || e.HTTPStatus() == http.StatusMethodNotAllowed
}

// plainImage is what shows of an image: its tag if it was named by one.
func plainImage(ctx context.Context, reg orlop.Reader, im image) (json.RawMessage, error) {
	d, err := reg.Resolve(ctx, im.repo, im.reference())
	if err != nil {
		return nil, err
	}
	attributes := map[string]string{"digest": string(d.Digest)}
	if im.digest == "" {
		attributes["name"] = im.tag
	} else {
		attributes["mediaType"] = d.MediaType
	}
	return json.Marshal(attributes)
}

// plainTags lists the names of tags, at most top of them if that is not 0.
func plainTags(ctx context.Context, reg orlop.Lister, repo string, top int) ([]string, error) {
	names := []string{}
	for tag, err := range reg.Tags(ctx, repo, "") {
		if err != nil {
			return nil, err
		}
		names = append(names, tag)
		if len(names) == top {
			break
		}
	}
	return names, nil
}

// plainImagesOf lists the images, as 'repository:tag', that name a manifest.
func plainImagesOf(ctx context.Context, reg acrRegistry, repo string, dgst digest.Digest) ([]string, error) {
	tags, err := plainTags(ctx, reg, repo, 0)
	if err != nil {
		return nil, err
	}
	base := reg.Host() + "/" + repo
	t := newTarget(kindRegistry, reg, parsedRef{repo: repo, base: base, reference: string(dgst)})
	tags, err = sameManifest(ctx, t, tags)
	if err != nil {
		return nil, err
	}
	images := make([]string, len(tags))
	for i, tag := range tags {
		images[i] = fmt.Sprintf("'%s:%s'", repo, tag)
	}
	return images, nil
}
