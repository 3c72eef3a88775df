package tokenapi

import (
	"net/http"

	"github.com/orlop/orlop/internal/gate"
)

// exchange gives a refresh token of the registry for a token of the management
// plane or of an issuer that is trusted: az, the SDKs of Azure, and jobs that an
// issuer vouches for.
func (a *API) exchange(w http.ResponseWriter, r *http.Request, site gate.Site) (*response, error) {
	form, err := readForm(w, r)
	if err != nil {
		return nil, err
	}
	switch form.Get("grant_type") {
	case "access_token", "access_token_refresh_token":
	default:
		return nil, badRequest("unsupported grant_type: use access_token")
	}
	s, err := a.authn.ExchangeSession(r.Context(), site.Registry, form.Get("access_token"))
	if err != nil {
		return nil, err
	}
	if err := a.count(w, site, s); err != nil {
		return nil, err
	}
	refresh, _, err := a.authn.RefreshToken(s, site.Registry, site.LoginServer)
	return &response{RefreshToken: refresh}, err
}
