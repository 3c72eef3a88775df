package distapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
)

// statUpload tells how much of an upload has arrived.
func (a *API) statUpload(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Push)
	if err != nil {
		return err
	}
	offset, err := reg.UploadOffset(r.Context(), rt.repo, rt.upload)
	if err != nil {
		return err
	}
	setUploadHeaders(w.Header(), rt.repo, rt.upload, offset)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// openUpload authorises the request and goes on with its upload.
func (a *API) openUpload(w http.ResponseWriter, r *http.Request, rt *route) (orlop.BlobWriter, error) {
	_, reg, err := a.authorize(w, r, rt, authz.Push)
	if err != nil {
		return nil, err
	}
	return reg.Upload(r.Context(), rt.repo, rt.upload)
}

// cancelUpload ends an upload and drops what has arrived.
func (a *API) cancelUpload(w http.ResponseWriter, r *http.Request, rt *route) error {
	up, err := a.openUpload(w, r, rt)
	if err != nil {
		return err
	}
	if err := up.Cancel(r.Context()); err != nil {
		return errors.Join(err, up.Close())
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// patchUpload appends the body to an upload: a stream, or the chunk that
// Content-Range names.
func (a *API) patchUpload(w http.ResponseWriter, r *http.Request, rt *route) error {
	up, err := a.openUpload(w, r, rt)
	if err != nil {
		return err
	}
	if err := a.receive(w, r, rt, up); err != nil {
		return errors.Join(err, up.Close())
	}
	offset := up.Offset()
	if err := up.Close(); err != nil {
		return err
	}
	setUploadHeaders(w.Header(), rt.repo, rt.upload, offset)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// putUpload appends the body, if there is one, and commits the upload as the
// blob that the digest parameter names.
func (a *API) putUpload(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Push)
	if err != nil {
		return err
	}
	query, err := url.ParseQuery(rt.query)
	if err != nil {
		return gate.ErrQuery
	}
	dgst, err := parseDigest(query.Get("digest"))
	if err != nil {
		return err
	}
	up, err := reg.Upload(r.Context(), rt.repo, rt.upload)
	if err != nil {
		return err
	}
	err = a.receive(w, r, rt, up)
	if err == nil {
		err = commit(r.Context(), w, rt.repo, up, dgst)
	}
	if err != nil {
		return errors.Join(err, up.Close())
	}
	return nil
}

// commit makes a blob of an upload and answers 201.
func commit(ctx context.Context, w http.ResponseWriter, repo string, up orlop.BlobWriter, dgst digest.Digest) error {
	desc, err := up.Commit(ctx, dgst)
	if err == nil {
		created(w, repo, desc.Digest)
	}
	return err
}

// created answers that a blob is there now.
func created(w http.ResponseWriter, repo string, dgst digest.Digest) {
	h := w.Header()
	h[headerLocation] = []string{blobLocation(repo, dgst)}
	h[headerDigest] = []string{string(dgst)}
	w.WriteHeader(http.StatusCreated)
}

// receive appends the body of a request to an upload. With a Content-Range the
// chunk must begin where the upload ends and have the length it says. What
// arrived before an error stays in the upload.
func (a *API) receive(w http.ResponseWriter, r *http.Request, rt *route, up orlop.BlobWriter) error {
	want := r.ContentLength // < 0: whatever comes
	if v := r.Header.Get(headerContentRange); v != "" {
		start, length, err := parseContentRange(v)
		switch {
		case err != nil:
			return err
		case want >= 0 && want != length:
			return errContentLength
		case start != up.Offset():
			setUploadHeaders(w.Header(), rt.repo, up.ID(), up.Offset())
			return orlop.ErrRangeInvalid.With("the chunk does not begin where the upload ends")
		}
		want = length
	}
	if r.Body == http.NoBody {
		return nil // want is 0
	}
	b := a.body(w, r)
	n, err := io.Copy(up, b)
	if err != nil {
		return b.failure(err)
	}
	if want >= 0 && n != want {
		return errContentLength
	}
	return nil
}

var errContentLength = orlop.ErrSizeInvalid.With("Content-Range, Content-Length and body differ in length")

// setUploadHeaders tells where an upload is and what has arrived. The Location
// is relative and has no query, so that a client may append one.
func setUploadHeaders(h http.Header, repo, id string, offset int64) {
	h[headerLocation] = []string{"/v2/" + repo + "/blobs/uploads/" + id}
	h[headerUploadID] = []string{id}
	// An empty upload is "0-0" as well; the specification has no word for it.
	h[headerRange] = []string{"0-" + strconv.FormatInt(max(offset, 1)-1, 10)}
}
