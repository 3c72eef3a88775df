package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// What is known about the registry's referrers API.
const (
	referrersUnknown int32 = iota
	referrersYes
	referrersNo
)

// errNoAPI reports a registry without a referrers API.
var errNoAPI = errors.New("no referrers API")

// Referrers implements orlop.Lister: by the referrers API, or where there is
// none, and the options allow, by the fallback tag.
func (r *Registry) Referrers(ctx context.Context, repo string, dgst digest.Digest, artifactType string) iter.Seq2[orlop.Descriptor, error] {
	return func(yield func(orlop.Descriptor, error) bool) {
		if err := check(orlop.ValidateRepository(repo), orlop.ValidateDigest(dgst)); err != nil {
			yield(orlop.Descriptor{}, err)
			return
		}
		for page, err := range r.referrerPages(ctx, repo, dgst, artifactType) {
			if err != nil {
				yield(orlop.Descriptor{}, err)
				return
			}
			for _, desc := range page {
				// Not every registry filters, and its word for it is worth less than a look.
				if (artifactType == "" || desc.ArtifactType == artifactType) && !yield(desc, nil) {
					return
				}
			}
		}
	}
}

// referrerPages yields pages of the API or the one page of the tag.
func (r *Registry) referrerPages(ctx context.Context, repo string, dgst digest.Digest, artifactType string) iter.Seq2[[]orlop.Descriptor, error] {
	return func(yield func([]orlop.Descriptor, error) bool) {
		useTag := !r.useAPI()
		if !useTag {
			for page, err := range r.apiPages(ctx, repo, dgst, artifactType) {
				if useTag = errors.Is(err, errNoAPI) && r.o.ReferrersTag == TagAuto; useTag {
					r.referrersAPI.Store(referrersNo)
					break
				}
				if !yield(page, err) || err != nil {
					return
				}
			}
		}
		if !useTag {
			return
		}
		_, index, err := r.tagIndex(ctx, repo, dgst)
		yield(index.Manifests, err)
	}
}

func (r *Registry) useAPI() bool {
	switch r.o.ReferrersTag {
	case TagAlways:
		return false
	case TagNever:
		return true
	default:
		return r.referrersAPI.Load() != referrersNo
	}
}

// apiPages yields the pages of the API; errNoAPI if there is none, which shows
// at the first.
func (r *Registry) apiPages(ctx context.Context, repo string, dgst digest.Digest, artifactType string) iter.Seq2[[]orlop.Descriptor, error] {
	c := call{
		method: http.MethodGet, path: "/v2/" + repo + "/referrers/" + string(dgst), query: url.Values{},
		header: http.Header{"Accept": {ocispec.MediaTypeImageIndex}}, scopes: pull(repo),
		want: []int{http.StatusOK}, absent: orlop.ErrManifestUnknown, mediaType: ocispec.MediaTypeImageIndex,
	}
	if artifactType != "" {
		c.query.Set("artifactType", artifactType)
	}
	return func(yield func([]orlop.Descriptor, error) bool) {
		for page, err := range pages(ctx, r, c, decodeIndex) {
			if err != nil {
				yield(nil, noAPI(err))
				return
			}
			r.referrersAPI.Store(referrersYes)
			if !yield(page, nil) {
				return
			}
		}
	}
}

// noAPI tells a missing API from a missing repository: a registry that has the
// API answers for an unknown subject with an empty list.
func noAPI(err error) error {
	s := status(err)
	if errors.Is(err, errMediaType) || s == http.StatusMethodNotAllowed || s == http.StatusNotImplemented ||
		s == http.StatusNotFound && !errors.Is(err, orlop.ErrNameUnknown) {
		return fmt.Errorf("%w: %w", errNoAPI, err)
	}
	return err
}

func decodeIndex(raw []byte) ([]orlop.Descriptor, error) {
	var index ocispec.Index
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, err
	}
	for _, desc := range index.Manifests {
		if err := orlop.ValidateDigest(desc.Digest); err != nil || desc.Size < 0 {
			return nil, orlop.ErrManifestInvalid.With(fmt.Sprintf("referrer %.140q of %d bytes is no descriptor", desc.Digest, desc.Size))
		}
	}
	return index.Manifests, nil
}

// fallbackTag is the tag that an index of the referrers is kept under:
// sha256-<hash>, the hash cut at 64 characters.
func fallbackTag(subject digest.Digest) string {
	hash := subject.Encoded()
	return string(subject.Algorithm()) + "-" + hash[:min(len(hash), 64)]
}

// tagIndex reads the index under the fallback tag. It is empty, with an empty
// digest, if there is none.
func (r *Registry) tagIndex(ctx context.Context, repo string, subject digest.Digest) (digest.Digest, ocispec.Index, error) {
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	m, err := r.Manifest(ctx, repo, fallbackTag(subject))
	if status(err) == http.StatusNotFound {
		return "", index, nil
	}
	if err != nil {
		return "", index, err
	}
	if m.Descriptor.MediaType != ocispec.MediaTypeImageIndex {
		return "", index, orlop.ErrManifestInvalid.With("the fallback tag of " + string(subject) + " does not name an image index")
	}
	index.Manifests, err = decodeIndex(m.Raw)
	return m.Descriptor.Digest, index, err
}

// addReferrer puts a manifest into the fallback tag of its subject.
func (r *Registry) addReferrer(ctx context.Context, repo string, subject digest.Digest, desc orlop.Descriptor) error {
	if r.o.ReferrersTag == TagNever {
		return nil
	}
	return r.changeTag(ctx, repo, subject, func(all []orlop.Descriptor) ([]orlop.Descriptor, bool) {
		if slices.ContainsFunc(all, func(d orlop.Descriptor) bool { return d.Digest == desc.Digest }) {
			return all, false
		}
		return append(all, desc), true
	})
}

// removeReferrer takes a manifest out of the fallback tag of its subject.
func (r *Registry) removeReferrer(ctx context.Context, repo string, subject, dgst digest.Digest) error {
	return r.changeTag(ctx, repo, subject, func(all []orlop.Descriptor) ([]orlop.Descriptor, bool) {
		rest := slices.DeleteFunc(slices.Clone(all), func(d orlop.Descriptor) bool { return d.Digest == dgst })
		return rest, len(rest) < len(all)
	})
}

// changeTag changes the index under a fallback tag. Within this process changes
// wait for each other; against other processes the change is conditional, where
// the registry honours that, and made again if it came too late.
func (r *Registry) changeTag(ctx context.Context, repo string, subject digest.Digest, change func([]orlop.Descriptor) ([]orlop.Descriptor, bool)) error {
	r.tagMu.Lock()
	defer r.tagMu.Unlock()
	for attempt := 1; ; attempt++ {
		old, index, err := r.tagIndex(ctx, repo, subject)
		if err != nil {
			return fmt.Errorf("referrers of %s: %w", subject, err)
		}
		all, changed := change(index.Manifests)
		if !changed {
			return nil
		}
		index.Manifests = all
		err = r.putTagIndex(ctx, repo, subject, index, old)
		if !errors.Is(err, orlop.ErrPreconditionFailed) || attempt >= r.o.Retry.Attempts {
			return err
		}
	}
}

func (r *Registry) putTagIndex(ctx context.Context, repo string, subject digest.Digest, index ocispec.Index, old digest.Digest) error {
	if index.Manifests == nil {
		index.Manifests = []orlop.Descriptor{}
	}
	raw, err := json.Marshal(index)
	if err != nil {
		return err
	}
	header := http.Header{"If-None-Match": {"*"}}
	if old != "" {
		header = http.Header{"If-Match": {`"` + string(old) + `"`}}
	}
	desc := orlop.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	_, _, err = r.putManifest(ctx, repo, fallbackTag(subject), nil, desc, raw, header)
	return err
}

// subjectInTag returns the subject of a manifest that is about to be deleted if
// its fallback tag lists it; "" if there is none, or the API keeps the list.
func (r *Registry) subjectInTag(ctx context.Context, repo string, dgst digest.Digest) (digest.Digest, error) {
	if r.o.ReferrersTag == TagNever || r.o.ReferrersTag == TagAuto && r.referrersAPI.Load() == referrersYes {
		return "", nil
	}
	m, err := r.Manifest(ctx, repo, string(dgst))
	if status(err) == http.StatusNotFound {
		return "", err
	}
	info, parseErr := orlop.ParseManifest(m.Descriptor.MediaType, m.Raw)
	if err != nil || parseErr != nil || info.Subject == nil {
		return "", nil //nolint:nilerr // what may not or cannot be read can still be deleted
	}
	if r.o.ReferrersTag == TagAuto {
		for _, err := range r.apiPages(ctx, repo, info.Subject.Digest, "") {
			if err == nil {
				return "", nil // the API has it
			}
			break
		}
	}
	return info.Subject.Digest, nil
}
