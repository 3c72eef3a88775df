package distapi

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/registry"
	"github.com/orlop/orlop/ref"
)

// startUpload starts an upload; with a mount parameter it tries first to mount
// the blob, and with a digest parameter the body is the whole blob.
func (a *API) startUpload(w http.ResponseWriter, r *http.Request, rt *route) error {
	caller, reg, err := a.authorize(w, r, rt, authz.Push)
	if err != nil {
		return a.alsoSource(r, rt, err)
	}
	query, err := url.ParseQuery(rt.query)
	if err != nil {
		return gate.ErrQuery
	}
	if err := checkAlgorithm(query.Get("digest-algorithm")); err != nil {
		return err
	}
	switch {
	case query.Has("mount"):
		return a.mount(w, r, rt, caller, reg, query)
	case query.Has("digest"):
		return a.postBlob(w, r, rt, reg, query.Get("digest"))
	}
	return begin(w, r, rt, reg)
}

// checkAlgorithm checks the digest-algorithm parameter. An upload is good for
// every algorithm we know, so there is nothing to remember.
func checkAlgorithm(name string) error {
	switch name {
	case "", "sha256", "sha512":
		return nil
	}
	return orlop.ErrDigestInvalid.With("unsupported digest algorithm: want sha256 or sha512")
}

// begin answers 202 with a new upload, unless nothing could be pushed by it.
func begin(w http.ResponseWriter, r *http.Request, rt *route, reg *registry.Registry) error {
	if err := reg.Writable(r.Context(), rt.repo); err != nil {
		return err
	}
	up, err := reg.Upload(r.Context(), rt.repo, "")
	if err != nil {
		return err
	}
	if err := up.Close(); err != nil {
		return err
	}
	setUploadHeaders(w.Header(), rt.repo, up.ID(), 0)
	if n := reg.ChunkMin(); n > 0 {
		w.Header()[headerChunkMin] = []string{strconv.FormatInt(n, 10)} // advice
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// postBlob takes the whole blob from the body.
func (a *API) postBlob(w http.ResponseWriter, r *http.Request, rt *route, reg *registry.Registry, s string) error {
	dgst, err := parseDigest(s)
	if err != nil {
		return err
	}
	up, err := reg.Upload(r.Context(), rt.repo, "")
	if err != nil {
		return err
	}
	err = a.receive(w, r, rt, up)
	if err == nil {
		err = commit(r.Context(), w, rt.repo, up, dgst)
	}
	if err != nil {
		// The client does not know the upload and cannot go on with it.
		return errors.Join(err, up.Cancel(r.Context()))
	}
	return nil
}

// mount mounts a blob from another repository, or begins an upload if that
// cannot be: whether the blob is not there or the caller may not pull it makes
// no difference to the answer.
func (a *API) mount(
	w http.ResponseWriter, r *http.Request, rt *route, caller *gate.Caller, reg *registry.Registry, query url.Values,
) error {
	dgst, err := parseDigest(query.Get("mount"))
	if err != nil {
		return err
	}
	from := query.Get("from")
	if from != "" && ref.ValidateRepository(from) != nil {
		return orlop.ErrNameInvalid
	}
	err = reg.MountFrom(r.Context(), rt.repo, from, dgst, func(source string) bool {
		return caller.May(authz.Repository(source, authz.Pull))
	})
	switch {
	case err == nil:
		created(w, rt.repo, dgst)
		return nil
	case !errors.Is(err, orlop.ErrBlobUnknown):
		return err
	}
	if err := a.askForSource(r, rt, caller, reg, from, dgst); err != nil {
		return err
	}
	return begin(w, r, rt, reg)
}

// alsoSource makes the challenge for a mount name the source too, where a client
// is refused for want of a good token: Azure's SDK gets a token once for each
// request, and fails when it is then sent for another.
func (a *API) alsoSource(r *http.Request, rt *route, refused error) error {
	query, err := url.ParseQuery(rt.query)
	from := query.Get("from")
	_, _, basic := r.BasicAuth()
	if err != nil || basic || !query.Has("mount") || ref.ValidateRepository(from) != nil || !errors.Is(refused, orlop.ErrUnauthorized) {
		return refused
	}
	if _, err := a.Gate.Authorize(nil, r, authz.Repository(rt.repo, authz.Push), authz.Repository(from, authz.Pull)); err != nil {
		return err
	}
	return refused // a right given in the meantime
}

// askForSource sends a client for a better token if its principal may pull from
// a repository that could be mounted from, and only its token does not say so:
// clients ask for the repository they push to, and learn of the other by this
// challenge.
func (a *API) askForSource(
	r *http.Request, rt *route, caller *gate.Caller, reg *registry.Registry, from string, dgst digest.Digest,
) error {
	var source authz.Access
	err := reg.MountFrom(r.Context(), rt.repo, from, dgst, func(repo string) bool {
		pull := authz.Repository(repo, authz.Pull)
		if source.Name == "" && caller.Could(pull) {
			source = pull
		}
		return false // only asking
	})
	if source.Name == "" {
		if errors.Is(err, orlop.ErrBlobUnknown) {
			return nil
		}
		return err
	}
	_, err = a.Gate.Authorize(nil, r, authz.Repository(rt.repo, authz.Push), source)
	return err
}
