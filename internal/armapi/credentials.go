package armapi

import (
	"errors"
	"net/http"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/gate"
)

// credentials are the passwords of the admin user.
type credentials struct {
	Username  string     `json:"username"`
	Passwords []password `json:"passwords"`
}

type password struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// listCredentials shows the passwords of the admin user.
func (a *API) listCredentials(w http.ResponseWriter, r *http.Request, c *client) error {
	u, err := a.o.Authn.AdminUser(r.Context(), c.registry.ID)
	if err != nil {
		return err
	}
	if !u.Enabled {
		return errNoAdminUser
	}
	out := credentials{Username: u.Name, Passwords: []password{}}
	for _, p := range u.Passwords {
		out.Passwords = append(out.Passwords, password(p))
	}
	gate.WriteJSON(w, http.StatusOK, out)
	return nil
}

// renewCredential replaces one of the passwords and shows both.
func (a *API) renewCredential(w http.ResponseWriter, r *http.Request, c *client) error {
	var in struct{ Name string }
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	if err := a.o.Authn.RenewAdminPassword(r.Context(), c.registry.ID, in.Name); err != nil {
		return explain(err)
	}
	return a.listCredentials(w, r, c)
}

// answers are the errors of authn that the caller can do something about.
var answers = []struct {
	err    error
	status int
	code   string
}{
	{authn.ErrNoScopeMap, http.StatusNotFound, "ResourceNotFound"},
	{authn.ErrNoSecret, http.StatusNotFound, "ResourceNotFound"},
	{authn.ErrNameTaken, http.StatusConflict, "NameTaken"},
	{authn.ErrScopeMapUsed, http.StatusConflict, "ScopeMapInUse"},
	{authn.ErrBuiltinScopeMap, http.StatusBadRequest, "InvalidResourceName"},
	{authn.ErrTokenName, http.StatusBadRequest, "InvalidResourceName"},
	{authn.ErrAdminPasswordName, http.StatusBadRequest, "InvalidPasswordName"},
	{authn.ErrPasswordName, http.StatusBadRequest, "InvalidPasswordName"},
	{authn.ErrExpiry, http.StatusBadRequest, "InvalidParameter"},
}

// explain gives the errors of authn their answers. A principal that is not there
// is the admin user.
func explain(err error) error {
	if errors.Is(err, authn.ErrNoPrincipal) {
		return errNoAdminUser
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return &resourceError{a.status, a.code, a.err.Error()}
		}
	}
	return err
}

// explainToken is explain where the principal is a token.
func explainToken(err error) error {
	if errors.Is(err, authn.ErrNoPrincipal) {
		return errNoPath
	}
	return explain(err)
}

// errScopeMap is an error in a scope map that a client sent; nil for nil.
func errScopeMap(err error) error {
	if err == nil {
		return nil
	}
	return &resourceError{http.StatusBadRequest, "InvalidScopeMap", err.Error()}
}
