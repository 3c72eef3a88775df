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

// mount is the attempt to take a blob from another repository of the registry
// (distribution specification, "Mounting a blob from another repository").
type mount struct {
	from string // empty: from wherever the registry finds it
}

// MountBlob implements orlop.Writer.
func (r *Registry) MountBlob(ctx context.Context, repo, from string, dgst digest.Digest) error {
	if err := check(orlop.ValidateRepository(repo), orlop.ValidateRepository(from), orlop.ValidateDigest(dgst)); err != nil {
		return err
	}
	s := &session{r: r, repo: repo}
	mounted, err := s.tryMount(ctx, mount{from}, dgst)
	switch {
	case err != nil:
		return mountError(err)
	case mounted:
		return nil
	}
	s.abandon(ctx) // the registry offers an ordinary upload instead
	return orlop.ErrBlobUnknown.With(fmt.Sprintf("blob %s cannot be mounted from %s", dgst, from))
}

// PushOrMount implements orlop.MountPusher. An empty from costs no request: a
// small blob is then sent at once.
func (r *Registry) PushOrMount(
	ctx context.Context, repo, from string, desc orlop.Descriptor, content io.Reader,
) (mounted bool, err error) {
	if from != "" {
		if err := orlop.ValidateRepository(from); err != nil {
			return false, err
		}
	}
	return r.push(ctx, repo, &mount{from}, desc, content)
}

// mount opens the session by an attempt to mount the blob. If the registry
// refuses that, for whatever reason, it opens the session as usual.
func (s *session) mount(ctx context.Context, m mount, dgst digest.Digest) (mounted bool, err error) {
	if m.from == "" && s.r.noBareMount.Load() {
		return false, s.restart(ctx)
	}
	mounted, err = s.tryMount(ctx, m, dgst)
	if err == nil {
		s.done = mounted
		return mounted, nil
	}
	if !errors.Is(mountError(err), orlop.ErrBlobUnknown) {
		return false, fmt.Errorf("mount blob %s: %w", dgst, err)
	}
	if m.from == "" {
		s.r.noBareMount.Store(true)
	}
	return false, s.restart(ctx)
}

// tryMount asks for the mount, in the request that opens a session. If the blob
// was not mounted, the session is open.
func (s *session) tryMount(ctx context.Context, m mount, dgst digest.Digest) (mounted bool, err error) {
	c := call{
		method: http.MethodPost, path: "/v2/" + s.repo + "/blobs/uploads/", scopes: push(s.repo),
		query: url.Values{"mount": {string(dgst)}},
		want:  []int{http.StatusCreated, http.StatusAccepted}, absent: orlop.ErrBlobUnknown,
	}
	if m.from != "" {
		c.query.Set("from", m.from)
		c.scopes = append(c.scopes, auth.Scope(m.from, "pull"))
	}
	resp, err := s.r.send(ctx, c)
	if err != nil {
		return false, err
	}
	if resp.StatusCode == http.StatusAccepted {
		return false, s.began(c, resp)
	}
	defer func() { _ = drop(resp) }()
	if err := sameDigest(resp, dgst); err != nil {
		return false, c.bad(resp, "%w", err)
	}
	return true, nil
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
