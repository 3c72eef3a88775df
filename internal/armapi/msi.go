package armapi

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/gate"
)

// identityResponse is a token as the endpoints of managed identities give it:
// numbers are text there.
type identityResponse struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   string `json:"expires_in"`
	ExpiresOn   string `json:"expires_on"` // Unix time
	Resource    string `json:"resource"`
	ClientID    string `json:"client_id"`
}

// serveIdentity gives a program on this machine a token of the configured
// service principal, as a managed identity would have. It is off unless it is
// configured, and there is nothing to see for callers from elsewhere.
func (a *API) serveIdentity(w http.ResponseWriter, r *http.Request, p place, rest string) {
	if a.o.ManagedIdentity == "" || a.o.ManagedIdentitySecret == "" || rest != "token" || !p.From.IsLoopback() {
		a.o.Gate.WriteError(w, r, gate.ErrNoPath)
		return
	}
	out, err := a.identityToken(w, r, p)
	if err != nil {
		a.refuseToken(w, r, err)
		return
	}
	gate.WriteJSON(w, http.StatusOK, out)
}

// identityToken takes the requests of the Azure CLI (POST of a form), and those
// of App Service and Azure Machine Learning (GET).
func (a *API) identityToken(w http.ResponseWriter, r *http.Request, p place) (*identityResponse, error) {
	if !same(secretOf(r), a.o.ManagedIdentitySecret) {
		return nil, authn.ErrBadCredentials
	}
	form, err := identityForm(w, r)
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"client_id", "clientid"} {
		if id := form.Get(key); id != "" && id != a.o.ManagedIdentity {
			return nil, authn.ErrBadCredentials
		}
	}
	audience, err := p.audience(form)
	if err != nil {
		return nil, err
	}
	registry, err := a.home(r, p, a.o.ManagedIdentity)
	if err != nil {
		return nil, err
	}
	s, err := a.o.Authn.Assume(r.Context(), registry, a.o.ManagedIdentity)
	if err != nil {
		return nil, err
	}
	token, expires, err := a.issue(w, r, p, s, audience)
	if err != nil {
		return nil, err
	}
	return &identityResponse{
		AccessToken: token, TokenType: "Bearer", Resource: form.Get("resource"), ClientID: a.o.ManagedIdentity,
		ExpiresIn: strconv.FormatInt(int64(time.Until(expires).Seconds()), 10), ExpiresOn: strconv.FormatInt(expires.Unix(), 10),
	}, nil
}

// secretOf is what the caller shows. The Azure CLI shows nothing of its own, so
// that for it the secret must be in the URL that it is given.
func secretOf(r *http.Request) string {
	for _, header := range []string{"Secret", "X-Identity-Header"} {
		if v := r.Header.Get(header); v != "" {
			return v
		}
	}
	return r.URL.Query().Get("secret")
}

func identityForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	switch r.Method {
	case http.MethodGet:
		return r.URL.Query(), nil
	case http.MethodPost:
		return readForm(w, r)
	}
	return nil, errForm
}
