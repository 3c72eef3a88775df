// Package tokenapi is /oauth2/token and /oauth2/exchange: it gives tokens for
// credentials, to the clients of the distribution specification (GET, RFC 6749
// has nothing to say on it) and to those of ACR (POST with a form).
package tokenapi

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
)

// Paths of the API.
const (
	Path         = "/oauth2/token"
	ExchangePath = "/oauth2/exchange"
)

// maxForm is the longest body of a POST, in bytes.
const maxForm = 64 << 10

// Options are what the API needs.
type Options struct {
	// Authn tells who asks, and issues tokens; required.
	Authn *authn.Authenticator
	// Gate writes errors and knows hosts; required.
	Gate *gate.Gate
}

// API is the handler of everything under /oauth2/. It is safe for concurrent
// use.
type API struct {
	authn *authn.Authenticator
	gate  *gate.Gate
}

// New returns the handler.
func New(o Options) *API { return &API{authn: o.Authn, gate: o.Gate} }

// ServeHTTP answers GET and POST.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := a.serve(w, r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	gate.WriteJSON(w, http.StatusOK, answer)
}

// response is the body of an answer.
type response struct {
	AccessToken  string `json:"access_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
}

// route is one operation. None needs a right: its answer is what the caller may
// have.
type route struct {
	method, path string
	handle       func(a *API, w http.ResponseWriter, r *http.Request, site gate.Site) (*response, error)
}

// routes lists every operation of the API.
var routes = []route{
	{http.MethodGet, Path, (*API).get},
	{http.MethodPost, Path, (*API).post},
	{http.MethodPost, ExchangePath, (*API).exchange},
}

// Routes lists every operation of the API as "METHOD path".
func Routes() []string {
	var out []string
	for _, rt := range routes {
		out = append(out, rt.method+" "+rt.path)
	}
	return out
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) (*response, error) {
	var allow []string
	for _, rt := range routes {
		if rt.path != r.URL.Path {
			continue
		}
		if rt.method == r.Method {
			site, err := a.gate.Site(r)
			if err != nil {
				return nil, err
			}
			return rt.handle(a, w, r, site)
		}
		allow = append(allow, rt.method)
	}
	if allow == nil {
		return nil, gate.ErrNoPath
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	return nil, orlop.ErrUnsupported.With("use " + strings.Join(allow, " or ") + " to get a token")
}

// get answers docker and everybody who learned from it: credentials are in the
// Authorization header, or absent.
func (a *API) get(w http.ResponseWriter, r *http.Request, site gate.Site) (*response, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("malformed query")
	}
	header, err := basic(r)
	if err != nil {
		return nil, err
	}
	s, err := a.authn.Authenticate(r.Context(), site.Registry, site.From, header)
	if err != nil {
		return nil, err
	}
	out, err := a.issue(w, r, site, s, query["scope"])
	if err == nil && s.Means == authn.Refresh && query.Get("offline_token") == "true" {
		// docker keeps it in place of the password it was given.
		_, out.RefreshToken, _ = r.BasicAuth()
	}
	return out, err
}

// basic returns the Authorization header, which must be Basic or absent: a
// token is not exchanged for another by showing it as Bearer.
func basic(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || values[0] == "" || authn.IsBearer(values[0]) {
		return "", authn.ErrBadCredentials
	}
	return values[0], nil
}

// post answers az, the SDKs of Azure, and docker once it has a refresh token.
func (a *API) post(w http.ResponseWriter, r *http.Request, site gate.Site) (*response, error) {
	form, err := readForm(w, r)
	if err != nil {
		return nil, err
	}
	s, err := a.grant(r, site, form)
	if err != nil {
		return nil, err
	}
	return a.issue(w, r, site, s, form["scope"])
}

// readForm reads the form in the body; what is in the query does not count.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || typ != "application/x-www-form-urlencoded" {
		return nil, badRequest("the body must be application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, err
		}
		return nil, badRequest("malformed form")
	}
	return r.PostForm, nil
}

// grant tells who asks, by the grant type of the form.
func (a *API) grant(r *http.Request, site gate.Site, form url.Values) (*authn.Session, error) {
	switch form.Get("grant_type") {
	case "refresh_token":
		return a.authn.RefreshSession(r.Context(), site.Registry, form.Get("refresh_token"))
	case "password":
		user, secret := form.Get("username"), form.Get("password")
		if user == "" && secret == "" { // the SDK for Go, without credentials
			return a.authn.Authenticate(r.Context(), site.Registry, site.From, "")
		}
		return a.authn.SignIn(r.Context(), site.Registry, site.From, user, secret)
	default:
		return nil, badRequest("unsupported grant_type: use password or refresh_token")
	}
}

// issue makes a token with what the caller may have of the scopes; what it may
// not have is left out without a word. Nobody in particular gets a token only
// where there is something to pull without one.
func (a *API) issue(w http.ResponseWriter, r *http.Request, site gate.Site, s *authn.Session, values []string) (*response, error) {
	scopes := authz.ParseScopes(values...)
	if s.Anonymous() {
		var err error
		if s, err = a.authn.WithAnonymousPull(r.Context(), s, site.Registry, names(scopes)...); err != nil {
			return nil, err
		}
		if scopes = s.Restrict(scopes); len(scopes) == 0 {
			return nil, orlop.ErrUnauthorized
		}
	}
	if err := a.count(w, site, s); err != nil {
		return nil, err
	}
	token, err := a.authn.AccessToken(s, site.Registry, site.LoginServer, scopes)
	if err != nil {
		return nil, err
	}
	return &response{AccessToken: token}, nil
}

// count counts a token, once it is clear whose it will be: wrong passwords do not
// use up what others have.
func (a *API) count(w http.ResponseWriter, site gate.Site, s *authn.Session) error {
	id := ""
	if s.Identity != nil {
		id = s.Identity.ID
	}
	return a.gate.CountToken(w, site.Registry, id)
}

func names(scopes []authz.Scope) []string {
	var out []string
	for _, s := range scopes {
		if s.Type == authz.TypeRepository {
			out = append(out, s.Name)
		}
	}
	return out
}

// fail answers an error. The challenge is Basic here: Bearer would send the
// client round in a circle.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, authn.ErrBadCredentials):
		err = orlop.ErrUnauthorized
	case errors.Is(err, authn.ErrIssuerUnavailable):
		err = orlop.ErrUnavailable.With(authn.ErrIssuerUnavailable.Error())
	}
	if errors.Is(err, orlop.ErrUnauthorized) {
		w.Header().Set("Www-Authenticate", `Basic realm="registry"`)
	}
	a.gate.WriteError(w, r, err)
}

func badRequest(message string) error {
	return &orlop.Error{Code: orlop.CodeUnsupported, Status: http.StatusBadRequest, Message: message}
}
