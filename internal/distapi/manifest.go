package distapi

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/registry"
	"github.com/orlop/orlop/ref"
)

// headManifest answers from the descriptor alone.
func (a *API) headManifest(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Pull)
	if err != nil {
		return err
	}
	desc, err := reg.Resolve(r.Context(), rt.repo, rt.reference())
	if err != nil {
		return err
	}
	if notModified(w, r, &desc) {
		return nil
	}
	setContentHeaders(w.Header(), []string{desc.MediaType}, &desc)
	w.WriteHeader(http.StatusOK)
	return nil
}

// getManifest sends a manifest as it was stored, whatever the client accepts:
// another form would have another digest.
func (a *API) getManifest(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Pull)
	if err != nil {
		return err
	}
	m, err := reg.Manifest(r.Context(), rt.repo, rt.reference())
	if err != nil {
		return err
	}
	if notModified(w, r, &m.Descriptor) {
		return nil
	}
	setContentHeaders(w.Header(), []string{m.Descriptor.MediaType}, &m.Descriptor)
	_, _ = w.Write(m.Raw) // fails if the client has gone; net/http ends the connection
	return nil
}

// maxTagParams is how many tags one PUT may set; the specification asks for ten.
const maxTagParams = 100

// putManifest stores a manifest under a digest, a tag, and the tags of its tag
// parameters.
func (a *API) putManifest(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Push)
	if err != nil {
		return err
	}
	tags, err := tagParams(rt.query)
	if err != nil {
		return err
	}
	raw, err := a.readManifest(w, r)
	if err != nil {
		return err
	}
	put := registry.PutManifest{MediaType: contentType(r), Raw: raw, Digest: rt.digest, Tags: tags}
	if rt.tag != "" {
		put.Tags = append([]string{rt.tag}, tags...)
		put.If = tagCondition(r.Header)
	}
	stored, err := reg.PutManifest(r.Context(), rt.repo, put)
	if err != nil {
		return err
	}
	writeStored(w, rt.repo, stored, tags)
	return nil
}

// tagCondition is what If-Match and If-None-Match (RFC 9110, section 13.1) demand
// of what a tag names before it is moved; nil if nothing. Of several clients that
// demand the same, one gets its way.
func tagCondition(h http.Header) func(current digest.Digest) bool {
	match, noneMatch := h[headerIfMatch], h[headerIfNoneMatch]
	if len(match) == 0 && len(noneMatch) == 0 {
		return nil
	}
	return func(current digest.Digest) bool {
		names := func(tags []string) bool { return current != "" && matchesETag(tags, string(current)) }
		return (len(match) == 0 || names(match)) && !names(noneMatch)
	}
}

func writeStored(w http.ResponseWriter, repo string, stored registry.Stored, tags []string) {
	h := w.Header()
	dgst := string(stored.Descriptor.Digest)
	h[headerLocation] = []string{"/v2/" + repo + "/manifests/" + dgst}
	h[headerDigest] = []string{dgst}
	if stored.Subject != "" {
		h[headerSubject] = []string{string(stored.Subject)}
	}
	if len(tags) > 0 {
		h[headerTag] = tags
	}
	w.WriteHeader(http.StatusCreated)
}

// tagParams returns the values of the tag parameters.
func tagParams(rawQuery string) ([]string, error) {
	if rawQuery == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, gate.ErrQuery
	}
	tags := query["tag"]
	if len(tags) > maxTagParams {
		return nil, &orlop.Error{Code: orlop.CodeTagInvalid, Message: "too many tags", Status: http.StatusRequestURITooLong}
	}
	for _, tag := range tags {
		if ref.ValidateTag(tag) != nil {
			return nil, orlop.ErrTagInvalid
		}
	}
	return tags, nil
}

// contentType is the media type of the request without parameters.
func contentType(r *http.Request) string {
	mediaType, _, _ := strings.Cut(r.Header.Get(headerContentType), ";")
	return strings.TrimSpace(mediaType)
}

var errManifestSize = &orlop.Error{
	Code: orlop.CodeManifestInvalid, Message: "manifest is larger than 4 MiB", Status: http.StatusRequestEntityTooLarge,
}

// readManifest reads the body, which is at most orlop.MaxManifestSize. Memory
// grows with what arrives, not with what the client announces.
func (a *API) readManifest(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > orlop.MaxManifestSize {
		return nil, errManifestSize
	}
	b := a.body(w, r)
	raw, err := io.ReadAll(io.LimitReader(b, orlop.MaxManifestSize+1))
	switch {
	case err != nil:
		return nil, b.failure(err)
	case len(raw) > orlop.MaxManifestSize:
		return nil, errManifestSize
	}
	return raw, nil
}

// deleteManifest removes a manifest and its tags, or only the tag that the path
// names.
func (a *API) deleteManifest(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Delete)
	if err != nil {
		return err
	}
	if rt.tag != "" {
		err = reg.DeleteTag(r.Context(), rt.repo, rt.tag)
	} else {
		err = reg.DeleteManifest(r.Context(), rt.repo, rt.digest)
	}
	return accepted(w, err)
}

// deleteBlob unlinks a blob from the repository.
func (a *API) deleteBlob(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Delete)
	if err != nil {
		return err
	}
	return accepted(w, reg.DeleteBlob(r.Context(), rt.repo, rt.digest))
}

func accepted(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusAccepted)
	}
	return err
}
