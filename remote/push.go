package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote/auth"
)

// PushBlob implements orlop.Writer. It asks for no existing blob; that is for
// the caller to do. Content that can be read again (io.Seeker, best with
// io.ReaderAt, or at most 1 MiB) is sent again, as far as it is missing, if the
// connection breaks or the registry is not available for a while. It is read
// from where it stands.
func (r *Registry) PushBlob(ctx context.Context, repo string, desc orlop.Descriptor, content io.Reader) error {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateDigest(desc.Digest)); err != nil {
		return err
	}
	if desc.Size < 0 {
		return orlop.ErrSizeInvalid.With(fmt.Sprintf("the size of blob %s is %d", desc.Digest, desc.Size))
	}
	src, err := newSource(content, desc.Size)
	if err != nil {
		return err
	}
	s, err := r.startWith(ctx, repo, desc, src)
	if err != nil || s.done {
		return err
	}
	if err := s.upload(ctx, src, desc.Size, desc.Digest); err != nil {
		s.abandon(ctx)
		return fmt.Errorf("push blob %s: %w", desc.Digest, err)
	}
	return nil
}

// maxSinglePost is the largest blob, in bytes, that is sent with the POST.
const maxSinglePost = 64 << 10

// startWith opens an upload session. A small blob it sends with it, which saves
// a request where the registry can do that (distribution specification, "POST
// then PUT", "Single POST"): the session is then done.
func (r *Registry) startWith(ctx context.Context, repo string, desc orlop.Descriptor, src source) (*session, error) {
	if desc.Size > maxSinglePost || r.twoStep.Load() {
		return r.start(ctx, repo)
	}
	raw, err := readSource(src, desc.Size)
	if err != nil {
		return nil, err
	}
	s := &session{r: r, repo: repo}
	err = s.post(ctx, raw, desc.Digest)
	if err == nil {
		return s, nil
	}
	if !refusesPost(err) {
		return nil, fmt.Errorf("push blob %s: %w", desc.Digest, err)
	}
	r.twoStep.Store(true)
	return r.start(ctx, repo)
}

// refusesPost tells whether an error can mean that the registry takes no blob
// by one POST. What else it can mean, an ordinary upload will tell.
func refusesPost(err error) bool {
	if errors.Is(err, orlop.ErrDigestInvalid) || errors.Is(err, orlop.ErrSizeInvalid) {
		return false
	}
	code := status(err)
	return code >= 400 && code < 500 && !ofCaller(code) || code == http.StatusNotImplemented
}

// MountBlob implements orlop.Writer.
func (r *Registry) MountBlob(ctx context.Context, repo, from string, dgst digest.Digest) error {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateRepository(from), orlop.ValidateDigest(dgst)); err != nil {
		return err
	}
	c := call{
		method: http.MethodPost, path: "/v2/" + repo + "/blobs/uploads/",
		query:  url.Values{"mount": {string(dgst)}, "from": {from}},
		scopes: append(push(repo), auth.Scope(from, "pull")),
		want:   []int{http.StatusCreated, http.StatusAccepted}, absent: orlop.ErrBlobUnknown,
	}
	resp, err := r.send(ctx, c)
	if err != nil {
		return mountError(err)
	}
	if resp.StatusCode == http.StatusCreated {
		return drop(resp)
	}
	s := &session{r: r, repo: repo} // the registry offers an ordinary upload instead
	if err := s.began(c, resp); err == nil {
		s.abandon(ctx)
	}
	return orlop.ErrBlobUnknown.With(fmt.Sprintf("blob %s cannot be mounted from %s", dgst, from))
}

// mountError turns every refusal into ErrBlobUnknown: who may not read the
// other repository can still push the blob.
func mountError(err error) error {
	e, ok := errors.AsType[*orlop.Error](err)
	failed := e != nil && e.HTTPStatus() >= http.StatusInternalServerError && e.Code != orlop.CodeUnsupported
	if !ok || failed || errors.Is(err, orlop.ErrTooManyRequests) {
		return err
	}
	return orlop.ErrBlobUnknown.With("the blob cannot be mounted: " + err.Error())
}
