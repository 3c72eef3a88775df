package gate

import (
	"errors"
	"net/http"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
)

// Authorize finds out who the request comes from and demands every access. With
// none demanded it wants somebody who shows good credentials, as GET /v2/ does.
//
// Its errors are for WriteError, which answers 401 and a challenge to those who
// show no credentials or wrong ones, and to tokens that grant too little: their
// clients get a better one. Basic credentials without the right get 403. None
// of it depends on whether the resource exists.
//
// What is allowed counts against the limits of the caller, and what is left goes
// into a header of the answer. A nil w is for a request that was counted already.
func (g *Gate) Authorize(w http.ResponseWriter, r *http.Request, want ...authz.Access) (*Caller, error) {
	site, err := g.Site(r)
	if err != nil {
		return nil, err
	}
	header, ok := authorization(r)
	if !ok {
		return nil, refuse(site, header, true, want)
	}
	if header == "" && len(want) == 0 {
		return nil, refuse(site, header, false, nil)
	}
	s, err := g.authn.Authenticate(r.Context(), site.Registry, site.From, header)
	if errors.Is(err, authn.ErrBadCredentials) {
		return nil, refuse(site, header, true, want)
	}
	if err != nil {
		return nil, err
	}
	if s.Anonymous() {
		if s, err = g.authn.WithAnonymousPull(r.Context(), s, site.Registry, repositories(want)...); err != nil {
			return nil, err
		}
	}
	for _, access := range want {
		if !s.May(access) {
			return nil, refuse(site, header, false, want)
		}
	}
	c := &Caller{RegistryID: site.Registry, LoginServer: site.LoginServer, session: s}
	if s.Identity != nil {
		c.ID, c.Name = s.Identity.ID, s.Identity.Name
	}
	if w == nil {
		return c, nil
	}
	if err := g.limits.count(w, g.limits.class(r.Method), c.RegistryID, c.ID); err != nil {
		return nil, err
	}
	return c, nil
}

// authorization is the value of the Authorization header, "" if there is none.
// It is false if there are several.
func authorization(r *http.Request) (string, bool) {
	switch values := r.Header["Authorization"]; len(values) {
	case 0:
		return "", true
	case 1:
		return values[0], true
	default:
		return values[0], false
	}
}

func repositories(want []authz.Access) []string {
	var out []string
	for _, w := range want {
		if w.Type == authz.TypeRepository {
			out = append(out, w.Name)
		}
	}
	return out
}
