package armapi

import (
	"errors"
	"net/http"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

// change is what of a registry can be changed.
type change struct {
	Properties struct {
		AdminUserEnabled     *bool `json:"adminUserEnabled"`
		AnonymousPullEnabled *bool `json:"anonymousPullEnabled"`
	} `json:"properties"`
}

// updateRegistry turns the admin user and anonymous pull on and off. Clients
// send all other settings with it; what those say is not looked at.
func (a *API) updateRegistry(w http.ResponseWriter, r *http.Request, c *client) error {
	var in change
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	if on := in.Properties.AdminUserEnabled; on != nil {
		if err := a.o.Authn.SetAdminUser(r.Context(), c.Registry, *on); err != nil {
			return explain(err)
		}
	}
	if on := in.Properties.AnonymousPullEnabled; on != nil {
		err := a.o.Authn.EditAccess(r.Context(), c.Registry, func(access *meta.Access) { access.AnonymousPull = *on })
		if err != nil {
			return err
		}
	}
	return a.showRegistry(w, r, c)
}

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
	u, err := a.o.Authn.AdminUser(r.Context(), c.Registry)
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
	if err := a.o.Authn.RenewAdminPassword(r.Context(), c.Registry, in.Name); err != nil {
		return explain(err)
	}
	return a.listCredentials(w, r, c)
}

// explain gives the errors of authn their answers.
func explain(err error) error {
	switch {
	case errors.Is(err, authn.ErrNoPrincipal):
		return errNoAdminUser
	case errors.Is(err, authn.ErrAdminPasswordName):
		return &resourceError{http.StatusBadRequest, "InvalidPasswordName", err.Error()}
	case errors.Is(err, authn.ErrNameTaken):
		return &resourceError{http.StatusConflict, "NameTaken", "A user has the name of the registry, so that there can be no admin user."}
	}
	return err
}
