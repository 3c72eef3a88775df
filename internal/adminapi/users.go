package adminapi

import (
	"net/http"

	"github.com/orlop/orlop/internal/admin"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

func (a *API) createUser(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	var in admin.NewUser
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	roles, err := assignments(in.Roles, in.Repositories)
	if err != nil {
		return err
	}
	p, generated, err := a.authn.CreateUser(r.Context(), c.RegistryID, in.Name, in.Password, roles)
	if err != nil {
		return explain(err)
	}
	writeUserCredential(w, http.StatusCreated, p.Name, generated)
	return nil
}

func (a *API) listUsers(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	n, err := pageSize(r)
	if err != nil {
		return err
	}
	found, err := a.authn.Users(r.Context(), c.RegistryID, r.URL.Query().Get("last"), n+1)
	if err != nil {
		return err
	}
	page := admin.Users{Users: []admin.User{}, More: len(found) > n}
	for _, p := range found[:min(n, len(found))] {
		page.Users = append(page.Users, admin.User{ID: p.ID, Name: p.Name, Created: p.Created, Enabled: !p.Disabled, Roles: describeRoles(p.Roles)})
	}
	gate.WriteJSON(w, http.StatusOK, page)
	return nil
}

func (a *API) enableUser(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	return a.enable(w, r, c, meta.KindUser, r.PathValue("name"))
}

func (a *API) deleteUser(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	if err := a.authn.DeleteUser(r.Context(), c.RegistryID, r.PathValue("name")); err != nil {
		return explain(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) setPassword(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	var in admin.NewPassword
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	generated, err := a.authn.SetPassword(r.Context(), c.RegistryID, name, in.Password)
	if err != nil {
		return explain(err)
	}
	writeUserCredential(w, http.StatusOK, name, generated)
	return nil
}

// writeUserCredential shows a password if it was generated, this once.
func writeUserCredential(w http.ResponseWriter, status int, name, generated string) {
	w.Header().Set("Cache-Control", "no-store")
	gate.WriteJSON(w, status, admin.UserCredential{Name: name, Password: generated})
}
