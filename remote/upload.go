package remote

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote/auth"
)

// Upload implements orlop.Writer. What is written is collected and sent by
// PATCH in chunks of at most Options.ChunkSize, one while the next is being
// written; Close sends the rest. A chunk is sent again, as far as it is
// missing, if the connection breaks. That sending has failed for good, the next
// Write tells.
//
// The upload's ID changes as chunks are sent: after Close it is the one to
// resume by. ctx also ends Write and Close, which have none of their own.
func (r *Registry) Upload(ctx context.Context, repo, id string) (orlop.BlobWriter, error) {
	if err := orlop.ValidateRepository(repo); err != nil {
		return nil, err
	}
	s := &session{r: r, repo: repo}
	var err error
	if id == "" {
		err = s.restart(ctx)
	} else {
		err = s.resume(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	return newBlobWriter(ctx, s)
}

// resume goes on with the session of an id.
func (s *session) resume(ctx context.Context, id string) error {
	u, err := url.Parse(id)
	if err != nil || !strings.HasPrefix(id, "/") {
		return orlop.ErrUploadUnknown
	}
	s.location = s.r.origin.ResolveReference(u)
	uploads := "/v2/" + s.repo + "/blobs/uploads/"
	foreign := strings.HasPrefix(s.location.Path, "/v2/") && !strings.HasPrefix(s.location.Path, uploads)
	if foreign || !auth.SameOrigin(s.location, s.r.origin) {
		return orlop.ErrUploadUnknown
	}
	_, err = s.status(ctx)
	if code := status(err); code >= 200 && code < 500 && !ofCaller(code) {
		return orlop.ErrUploadUnknown.With(err.Error()) // whatever else is there
	}
	return err
}

// ofCaller tells whether a status is about who asks, not what for.
func ofCaller(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests
}
