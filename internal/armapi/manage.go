package armapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/hosting"
)

// client is a caller of Resource Manager, where it called, and what it named.
type client struct {
	place
	named
	session  *authn.Session // in the registry that the path names, or at home
	scope    string         // the path that was asked for
	registry view           // that the path names; the zero view if it is not there
}

// serveResource answers as Resource Manager: it authenticates, finds the
// operation, authorises, and only then lets the operation look at the request.
func (a *API) serveResource(w http.ResponseWriter, r *http.Request, p place) {
	err := a.manage(w, r, p)
	if err == nil {
		return
	}
	if errors.Is(err, authn.ErrBadCredentials) {
		w.Header().Set("Www-Authenticate", `Bearer authorization_uri="`+p.base+"/"+p.tenant+`",error="invalid_token"`)
		err = errSignIn
	}
	if e, ok := errors.AsType[*resourceError](err); ok {
		refuse(w, e)
		return
	}
	a.o.Gate.WriteError(w, r, err)
}

// manage is serveResource without the errors.
func (a *API) manage(w http.ResponseWriter, r *http.Request, p place) error {
	token, s, err := a.manager(r)
	if err != nil {
		return err
	}
	c := &client{place: p, session: s, scope: strings.TrimSuffix(r.URL.Path, "/")}
	var op operation
	op, c.named, err = find(r.Method, c.scope, &p)
	switch {
	case err != nil:
		return err
	case s.Identity.Grants.Empty() && op.path == "subscriptions":
		return writeList(w) // clients say then that there is none
	case s.Identity.Grants.Empty():
		return errNoPath
	}
	if c.named.registry != "" {
		if err := a.enter(r, c, op, token); err != nil {
			return err
		}
	}
	if op.want != finding && !c.session.May(op.want) {
		return errForbidden(s.Identity.ID, op.action, c.scope)
	}
	return op.handle(a, w, r, c)
}

// manager tells who shows a management token. One for the data of a registry is
// none.
func (a *API) manager(r *http.Request) (string, *authn.Session, error) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 || !authn.IsBearer(values[0]) {
		return "", nil, authn.ErrBadCredentials
	}
	token := strings.TrimSpace(values[0][len("Bearer "):])
	s, err := a.o.Authn.VerifyManagementToken(r.Context(), authn.Home, token)
	if err == nil && (s.Audience == authn.DataAudience || s.Identity == nil) {
		err = authn.ErrBadCredentials
	}
	return token, s, err
}

// enter finds the registry that the path names, and who the caller is there. One
// who is nobody there does not learn whether it is there. Where one is to be
// made it need not be.
func (a *API) enter(r *http.Request, c *client, op operation, token string) error {
	v, err := a.lookUp(r, c)
	if errors.Is(err, hosting.ErrUnknown) {
		if op.method == http.MethodPut && op.path == oneOf {
			return nil
		}
		return errNoPath
	}
	if err != nil {
		return err
	}
	s, err := a.o.Authn.VerifyManagementToken(r.Context(), v.ID, token)
	if errors.Is(err, authn.ErrBadCredentials) || err == nil && s.Identity.Grants.Empty() {
		return errNoPath
	}
	c.session, c.registry = s, v
	return err
}

// lookUp finds a registry by the name under which it is seen.
func (a *API) lookUp(r *http.Request, c *client) (view, error) {
	home, err := a.o.Registries.Named(r.Context(), a.o.Registries.Home())
	if err != nil {
		return view{}, err
	}
	if v, ok := a.view(c.place, home); ok && strings.EqualFold(v.name, c.named.registry) {
		return v, nil
	}
	reg, err := a.o.Registries.Named(r.Context(), strings.ToLower(c.named.registry))
	if err != nil {
		return view{}, err
	}
	v, ok := a.view(c.place, reg)
	if !ok || !strings.EqualFold(v.name, c.named.registry) {
		err = hosting.ErrUnknown
	}
	return v, err
}

// visible lists the registries that the caller may find: all, or its own.
func (a *API) visible(r *http.Request, c *client) ([]view, error) {
	all, err := a.o.Registries.List(r.Context())
	if err != nil {
		return nil, err
	}
	var out []view
	for _, reg := range all {
		if !c.session.May(owning) && reg.ID != c.session.Identity.Registry {
			continue
		}
		if v, ok := a.view(c.place, reg); ok {
			out = append(out, v)
		}
	}
	return out, nil
}

// maxBody is the longest body that is read, in bytes.
const maxBody = 64 << 10

// readJSON reads a body; clients send more fields than are read.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(v); err != nil {
		return errBody
	}
	return nil
}
