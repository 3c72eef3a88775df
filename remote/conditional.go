package remote

import (
	"context"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

var _ orlop.ConditionalPusher = (*Registry)(nil)

// PushManifestIf implements orlop.ConditionalPusher by If-Match and
// If-None-Match. exact is what the registry says of itself: those that know
// nothing of conditions ignore the headers and move the tag. ErrUnsupported for a
// digest that is no SHA-256, which a push by tag would not store under it.
//
// A request whose answer is lost is sent again, and is then refused because the
// first has done its work: who gets ErrPreconditionFailed may find that the tag
// names the manifest.
func (r *Registry) PushManifestIf(
	ctx context.Context, repo, mediaType string, dgst digest.Digest, raw []byte, tag string, c orlop.TagCondition,
) (exact bool, err error) {
	if dgst.Algorithm() != digest.SHA256 {
		return false, orlop.ErrUnsupported.With("a tag can be moved conditionally to a manifest of sha256 only")
	}
	if err := orlop.ValidateTag(tag); err != nil {
		return false, err
	}
	desc, info, err := describeManifest(repo, mediaType, dgst, raw)
	if err != nil {
		return false, err
	}
	indexed, _, err := r.putManifest(ctx, repo, tag, nil, desc, raw, conditions(c))
	if err != nil {
		return false, err
	}
	return r.heeds.Load(), r.addToSubject(ctx, repo, info, desc, indexed)
}

func conditions(c orlop.TagCondition) http.Header {
	h := http.Header{}
	if c.Match != "" {
		h.Set("If-Match", `"`+string(c.Match)+`"`)
	}
	if c.Absent {
		h.Set("If-None-Match", "*")
	}
	return h
}
