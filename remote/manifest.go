package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop"
)

func manifestPath(repo, reference string) string { return "/v2/" + repo + "/manifests/" + reference }

func readManifest(ctx context.Context, method, repo, reference string) call {
	return call{
		method: method, path: manifestPath(repo, reference), header: accepted(ctx),
		scopes: pull(repo), want: []int{http.StatusOK}, absent: orlop.ErrManifestUnknown,
	}
}

// Resolve implements orlop.Reader. It takes the registry's word for the digest
// that a tag stands for; Manifest checks it.
func (r *Registry) Resolve(ctx context.Context, repo, reference string) (orlop.Descriptor, error) {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateReference(reference)); err != nil {
		return orlop.Descriptor{}, err
	}
	c := readManifest(ctx, http.MethodHead, repo, reference)
	resp, err := r.send(ctx, c)
	if status(err) == http.StatusMethodNotAllowed {
		return r.resolveByContent(ctx, repo, reference)
	}
	if err != nil {
		return orlop.Descriptor{}, err
	}
	if err := drop(resp); err != nil {
		return orlop.Descriptor{}, err
	}
	desc := orlop.Descriptor{MediaType: mediaType(resp), Digest: digest.Digest(reference), Size: resp.ContentLength}
	said := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	if !orlop.IsDigest(reference) {
		desc.Digest = said
	} else if said != "" && said != desc.Digest {
		return orlop.Descriptor{}, c.bad(resp, "%w: the registry answers with %.140q", orlop.ErrDamaged, said)
	}
	if desc.Size < 0 || desc.MediaType == "" || orlop.ValidateDigest(desc.Digest) != nil {
		return r.resolveByContent(ctx, repo, reference)
	}
	return desc, nil
}

// resolveByContent resolves at a registry whose headers do not tell enough.
func (r *Registry) resolveByContent(ctx context.Context, repo, reference string) (orlop.Descriptor, error) {
	m, err := r.Manifest(ctx, repo, reference)
	return m.Descriptor, err
}

// Manifest implements orlop.Reader.
func (r *Registry) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateReference(reference)); err != nil {
		return orlop.Manifest{}, err
	}
	c := readManifest(ctx, http.MethodGet, repo, reference)
	var m orlop.Manifest
	err := r.retry(ctx, func() error {
		resp, err := r.send(ctx, c)
		if err != nil {
			return err
		}
		defer func() { _ = drop(resp) }()
		m, err = verifyManifest(resp, reference)
		if err != nil {
			return c.bad(resp, "%w", err)
		}
		return nil
	})
	return m, err
}

// verifyManifest reads a manifest and checks it against the digest that it was
// asked for by, or else the one that the registry names.
func verifyManifest(resp *http.Response, reference string) (orlop.Manifest, error) {
	raw, err := readAll(resp, orlop.MaxManifestSize)
	if err != nil {
		return orlop.Manifest{}, err
	}
	said := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	want := said
	if orlop.IsDigest(reference) {
		want = digest.Digest(reference)
	}
	if orlop.ValidateDigest(want) != nil {
		want = digest.FromBytes(raw) // asked for by tag, and the registry names none that is usable
	}
	if got := want.Algorithm().FromBytes(raw); got != want {
		return orlop.Manifest{}, fmt.Errorf("%w: manifest %s has digest %s", orlop.ErrDamaged, want, got)
	}
	desc := orlop.Descriptor{MediaType: mediaType(resp), Digest: want, Size: int64(len(raw))}
	if desc.MediaType == "" || desc.MediaType == "application/json" || desc.MediaType == "text/plain" {
		if info, err := orlop.ParseManifest("", raw); err == nil {
			desc.MediaType = info.MediaType
		}
	}
	return orlop.Manifest{Descriptor: desc, Raw: raw}, nil
}

// mediaType is the type of an answer without parameters, "" if none is given.
func mediaType(resp *http.Response) string {
	t, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return t
}

// PushManifest implements orlop.Writer. All tags are set at once if the registry
// knows the tag parameter of the specification's draft; if not, the first is set
// with the manifest and the others after it, a request each, and after an
// error some may be set. A manifest type that this library does not know is sent
// as it is.
func (r *Registry) PushManifest(ctx context.Context, repo, mediaType string, raw []byte, tags ...string) (orlop.Descriptor, error) {
	return r.PushManifestDigest(ctx, repo, mediaType, digest.FromBytes(raw), raw, tags...)
}

// PushManifestDigest implements orlop.DigestPusher. Tags of a digest that is no
// SHA-256 need a registry that knows the tag parameter: a push by tag would
// store the manifest under its SHA-256. ErrUnsupported at others.
func (r *Registry) PushManifestDigest(
	ctx context.Context, repo, mediaType string, dgst digest.Digest, raw []byte, tags ...string,
) (orlop.Descriptor, error) {
	for _, tag := range tags {
		if err := orlop.ValidateTag(tag); err != nil {
			return orlop.Descriptor{}, err
		}
	}
	desc, info, err := describeManifest(repo, mediaType, dgst, raw)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	indexed, err := r.putTags(ctx, repo, desc, raw, tags)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	return desc, r.addToSubject(ctx, repo, info, desc, indexed)
}

// describeManifest checks a manifest that is to be pushed.
func describeManifest(repo, mediaType string, dgst digest.Digest, raw []byte) (orlop.Descriptor, orlop.ManifestInfo, error) {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateDigest(dgst)); err != nil {
		return orlop.Descriptor{}, orlop.ManifestInfo{}, err
	}
	if dgst.Algorithm().FromBytes(raw) != dgst {
		return orlop.Descriptor{}, orlop.ManifestInfo{}, orlop.ErrDigestInvalid
	}
	info, err := orlop.ParseManifest(mediaType, raw)
	if err != nil {
		if mediaType == "" || orlop.IsManifest(mediaType) || len(raw) > orlop.MaxManifestSize {
			return orlop.Descriptor{}, orlop.ManifestInfo{}, err
		}
		info = orlop.ManifestInfo{MediaType: mediaType}
	}
	return orlop.Descriptor{
		MediaType: info.MediaType, Digest: dgst, Size: int64(len(raw)),
		ArtifactType: info.ArtifactType, Annotations: info.Annotations,
	}, info, nil
}

// addToSubject puts a manifest that was pushed into the fallback tag of its
// subject, if it has one and the registry has not put it into its own list.
func (r *Registry) addToSubject(ctx context.Context, repo string, info orlop.ManifestInfo, desc orlop.Descriptor, indexed bool) error {
	if info.Subject == nil || indexed && r.o.ReferrersTag != TagAlways {
		return nil
	}
	return r.addReferrer(ctx, repo, info.Subject.Digest, desc)
}

// putTags stores a manifest under its tags, or under its digest if it has none
// or the digest is not what a tag would give it.
func (r *Registry) putTags(ctx context.Context, repo string, desc orlop.Descriptor, raw []byte, tags []string) (indexed bool, err error) {
	byDigest := desc.Digest.Algorithm() != digest.SHA256
	references := tags
	if len(tags) == 0 || byDigest {
		references = append([]string{string(desc.Digest)}, tags...)
	}
	for len(references) > 0 {
		var set []string
		if indexed, set, err = r.putManifest(ctx, repo, references[0], references[1:], desc, raw, nil); err != nil {
			return false, err
		}
		left := slices.DeleteFunc(slices.Clone(references[1:]), func(tag string) bool { return slices.Contains(set, tag) })
		if byDigest && len(left) > 0 {
			return false, orlop.ErrUnsupported.With("the registry cannot tag a manifest of " + string(desc.Digest.Algorithm()))
		}
		if len(set) == 0 {
			return indexed, r.putEachTag(ctx, repo, desc, raw, left)
		}
		references = left
	}
	return indexed, nil
}

// tagsAtOnce is how many tags are set at once where each needs a request.
const tagsAtOnce = 8

// putEachTag gives a manifest tags at a registry that takes one a request.
func (r *Registry) putEachTag(ctx context.Context, repo string, desc orlop.Descriptor, raw []byte, tags []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(tagsAtOnce)
	for _, tag := range tags {
		g.Go(func() error {
			_, _, err := r.putManifest(ctx, repo, tag, nil, desc, raw, nil)
			return err
		})
	}
	return g.Wait()
}

// putManifest stores a manifest under one reference, and more tags if the
// registry can set them at once. It tells whether the registry has put it into
// its list of referrers, and which of more it has set.
func (r *Registry) putManifest(ctx context.Context, repo, reference string, more []string, desc orlop.Descriptor, raw []byte, header http.Header) (indexed bool, set []string, err error) {
	c := call{
		method: http.MethodPut, path: manifestPath(repo, reference), query: url.Values{"tag": more}, header: header.Clone(),
		body: bytes.NewReader(raw), size: desc.Size, scopes: push(repo),
		want: []int{http.StatusCreated, http.StatusOK}, absent: orlop.ErrNameUnknown,
	}
	if c.header == nil {
		c.header = http.Header{}
	}
	c.header.Set("Content-Type", desc.MediaType)
	resp, err := r.send(ctx, c)
	if err != nil {
		return false, nil, err
	}
	said := digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	if said != "" && said.Validate() == nil && said.Algorithm() == desc.Digest.Algorithm() && said != desc.Digest {
		_ = drop(resp)
		return false, nil, c.bad(resp, "%w: the registry stored %s instead of %s", orlop.ErrDamaged, said, desc.Digest)
	}
	return resp.Header.Get("OCI-Subject") != "", resp.Header.Values("OCI-Tag"), drop(resp)
}

// DeleteManifest implements orlop.Deleter. At a registry without a referrers
// API it takes the manifest out of its subject's fallback tag too.
func (r *Registry) DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateDigest(dgst)); err != nil {
		return err
	}
	subject, err := r.subjectInTag(ctx, repo, dgst)
	if err != nil {
		return err
	}
	if err := r.delete(ctx, repo, manifestPath(repo, string(dgst)), orlop.ErrManifestUnknown); err != nil {
		return err
	}
	if subject == "" {
		return nil
	}
	return r.removeReferrer(ctx, repo, subject, dgst)
}

// DeleteTag implements orlop.Deleter. ErrUnsupported if the registry cannot
// delete a tag alone.
func (r *Registry) DeleteTag(ctx context.Context, repo, tag string) error {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateTag(tag)); err != nil {
		return err
	}
	return r.delete(ctx, repo, manifestPath(repo, tag), orlop.ErrManifestUnknown)
}

func (r *Registry) delete(ctx context.Context, repo, path string, absent *orlop.Error) error {
	resp, err := r.send(ctx, call{
		method: http.MethodDelete, path: path, scopes: remove(repo), absent: absent,
		want: []int{http.StatusAccepted, http.StatusOK, http.StatusNoContent},
	})
	if err != nil {
		return err
	}
	return drop(resp)
}

// retry runs a read again whose answer broke off in its middle.
func (r *Registry) retry(ctx context.Context, read func() error) error {
	for attempt := 1; ; attempt++ {
		err := read()
		if err == nil || attempt >= r.o.Retry.Attempts || ctx.Err() != nil || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrStalled) {
			return err
		}
		if err := sleep(ctx, r.o.Retry.backoff(attempt)); err != nil {
			return err
		}
	}
}
