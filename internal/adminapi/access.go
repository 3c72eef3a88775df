package adminapi

import (
	"net/http"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/admin"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/ref"
)

func (a *API) getAdminUser(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	u, err := a.authn.AdminUser(r.Context(), c.RegistryID)
	if err != nil {
		return explain(err)
	}
	out := admin.AdminUser{Username: u.Name, Enabled: u.Enabled, Passwords: []admin.AdminPassword{}}
	for _, p := range u.Passwords {
		out.Passwords = append(out.Passwords, admin.AdminPassword{Name: p.Name, Value: p.Value})
	}
	w.Header().Set("Cache-Control", "no-store")
	gate.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (a *API) enableAdminUser(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	enabled, err := readEnabled(w, r)
	if err != nil {
		return err
	}
	if err := a.authn.SetAdminUser(r.Context(), c.RegistryID, enabled); err != nil {
		return explain(err)
	}
	return a.getAdminUser(w, r, c)
}

func (a *API) renewAdminPassword(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	if err := a.authn.RenewAdminPassword(r.Context(), c.RegistryID, r.PathValue("password")); err != nil {
		return explain(err)
	}
	return a.getAdminUser(w, r, c)
}

func (a *API) getAccess(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	access, err := a.authn.Access(r.Context(), c.RegistryID)
	if err != nil {
		return err
	}
	gate.WriteJSON(w, http.StatusOK, admin.Access{AnonymousPull: access.AnonymousPull, RoleAssignmentMode: roleMode(access)})
	return nil
}

func roleMode(access meta.Access) string {
	if access.RepositoryRoles {
		return admin.RepositoryRoles
	}
	return admin.ClassicRoles
}

func (a *API) setAnonymousPull(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	open, err := readAnonymousPull(w, r)
	if err != nil {
		return err
	}
	return a.changeAccess(w, r, c, func(access *meta.Access) { access.AnonymousPull = open })
}

func (a *API) setRoleMode(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	var in admin.RoleMode
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	if in.RoleAssignmentMode != admin.ClassicRoles && in.RoleAssignmentMode != admin.RepositoryRoles {
		return invalid("roleAssignmentMode must be " + admin.ClassicRoles + " or " + admin.RepositoryRoles)
	}
	return a.changeAccess(w, r, c, func(access *meta.Access) {
		access.RepositoryRoles = in.RoleAssignmentMode == admin.RepositoryRoles
	})
}

func (a *API) changeAccess(w http.ResponseWriter, r *http.Request, c *gate.Caller, change func(*meta.Access)) error {
	if err := a.authn.EditAccess(r.Context(), c.RegistryID, change); err != nil {
		return err
	}
	return a.getAccess(w, r, c)
}

func readAnonymousPull(w http.ResponseWriter, r *http.Request) (bool, error) {
	var in admin.AnonymousPull
	if err := readJSON(w, r, &in); err != nil {
		return false, err
	}
	if in.Enabled == nil {
		return false, invalid("anonymousPullEnabled must be true or false")
	}
	return *in.Enabled, nil
}

func (a *API) getRepositoryAccess(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	repo := r.PathValue("name")
	if ref.ValidateRepository(repo) != nil {
		return orlop.ErrNameInvalid
	}
	open, err := a.authn.RepositoryAnonymousPull(r.Context(), c.RegistryID, repo)
	if err != nil {
		return explain(err)
	}
	gate.WriteJSON(w, http.StatusOK, admin.AnonymousPull{Enabled: &open})
	return nil
}

func (a *API) setRepositoryAccess(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	open, err := readAnonymousPull(w, r)
	if err != nil {
		return err
	}
	if err := a.authn.SetRepositoryAnonymousPull(r.Context(), c.RegistryID, r.PathValue("name"), open); err != nil {
		return explain(err)
	}
	return a.getRepositoryAccess(w, r, c)
}

func (a *API) listRoles(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	p, err := a.authn.Assignee(r.Context(), c.RegistryID, r.URL.Query().Get("assignee"))
	if err != nil {
		return explain(err)
	}
	out := admin.RoleAssignments{RoleAssignments: []admin.RoleAssignment{}}
	for _, role := range p.Roles {
		out.RoleAssignments = append(out.RoleAssignments, admin.RoleAssignment{Assignee: p.Name, Role: role.Role, Repository: role.Prefix})
	}
	gate.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (a *API) assignRole(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	var in admin.RoleAssignment
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	role := meta.RoleAssignment{Role: in.Role, Prefix: in.Repository}
	if err := authz.CheckAssignment(role); err != nil {
		return invalid(err.Error())
	}
	if err := a.authn.Assign(r.Context(), c.RegistryID, in.Assignee, role); err != nil {
		return explain(err)
	}
	gate.WriteJSON(w, http.StatusOK, in)
	return nil
}

func (a *API) unassignRole(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	q := r.URL.Query()
	role := meta.RoleAssignment{Role: q.Get("role"), Prefix: q.Get("repository")}
	if err := a.authn.Unassign(r.Context(), c.RegistryID, q.Get("assignee"), role); err != nil {
		return explain(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
