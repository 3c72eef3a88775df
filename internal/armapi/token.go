package armapi

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

// maxForm is the longest body of a request for a token, in bytes.
const maxForm = 64 << 10

// tokenResponse is the answer of RFC 6749 section 5.1, with what Azure adds.
type tokenResponse struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	ExtExpiresIn int64  `json:"ext_expires_in"`
	AccessToken  string `json:"access_token"`
}

// token gives an application a token for its secret.
func (a *API) token(w http.ResponseWriter, r *http.Request, p place, _ string) {
	if !only(w, r, http.MethodPost) {
		return
	}
	token, expires, err := a.clientCredentials(w, r, p)
	if err != nil {
		a.refuseToken(w, r, err)
		return
	}
	left := int64(time.Until(expires).Seconds())
	gate.WriteJSON(w, http.StatusOK, tokenResponse{TokenType: "Bearer", ExpiresIn: left, ExtExpiresIn: left, AccessToken: token})
}

// clientCredentials checks a form of RFC 6749 section 4.4.2.
func (a *API) clientCredentials(w http.ResponseWriter, r *http.Request, p place) (string, time.Time, error) {
	form, err := readForm(w, r)
	if err != nil {
		return "", time.Time{}, err
	}
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		return "", time.Time{}, errGrant
	}
	audience, err := p.audience(form)
	if err != nil {
		return "", time.Time{}, err
	}
	s, err := a.signIn(r, p, form)
	if err != nil {
		return "", time.Time{}, err
	}
	return a.issue(w, r, p, s, audience)
}

// issue gives a token, which counts against the limits of tokens.
func (a *API) issue(w http.ResponseWriter, r *http.Request, p place, s *authn.Session, audience string) (string, time.Time, error) {
	if err := a.o.Gate.CountToken(w, p.Registry, s.Identity.ID); err != nil {
		return "", time.Time{}, err
	}
	return a.o.Authn.IssueManagementToken(r.Context(), s, audience)
}

// readForm reads the body; nothing is taken from the query, which logs show.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || typ != "application/x-www-form-urlencoded" {
		return nil, errForm
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, errForm
	}
	return r.PostForm, nil
}

// audience is what the token will be for: resource in the first version of the
// protocol, and a scope with "/.default" after it in the second. There is
// nothing else in this directory than the registry and what manages it.
func (p *place) audience(form url.Values) (string, error) {
	wanted := form.Get("resource")
	for scope := range strings.FieldsSeq(form.Get("scope")) {
		if resource, ok := strings.CutSuffix(scope, "/.default"); ok {
			wanted = resource
		}
	}
	switch plain := strings.ToLower(strings.TrimRight(wanted, "/")); plain {
	case authn.DataAudience, p.base:
		return plain, nil
	}
	return "", errResource
}

// signIn checks who asks, and counts wrong secrets. It does not tell a wrong
// secret from an application that does not exist or may not sign in here.
func (a *API) signIn(r *http.Request, p place, form url.Values) (*authn.Session, error) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok && id == "" {
		id, secret = unescape(user), unescape(password)
	}
	if id == "" || secret == "" {
		return nil, errNoClient
	}
	registry, err := a.home(r, p, id)
	if err != nil {
		return nil, err
	}
	s, err := a.o.Authn.SignIn(r.Context(), registry, p.From, id, secret)
	if err == nil && (s.Identity == nil || s.Means != authn.Secret || s.Identity.Kind != meta.KindServicePrincipal) {
		err = authn.ErrBadCredentials
	}
	return s, err
}

// home is the registry of an application: the directory is one for all of them.
// Of one that is not there it is that of the host, where it will not be found.
func (a *API) home(r *http.Request, p place, id string) (int64, error) {
	registry, err := a.o.Authn.RegistryOf(r.Context(), id)
	if err == nil && registry == authn.Home {
		registry = p.Registry
	}
	return registry, err
}

// unescape undoes what RFC 6749 section 2.3.1 does to a name and a secret.
func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// refuseToken answers an error as the directory does.
func (a *API) refuseToken(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, authn.ErrBadCredentials) {
		err = errClient
	}
	if e, ok := errors.AsType[*directoryError](err); ok {
		fail(w, e)
		return
	}
	a.o.Gate.WriteError(w, r, err)
}
