package adminapi

import (
	"net/http"
	"strings"

	"github.com/orlop/orlop/internal/admin"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/hosting"
	"github.com/orlop/orlop/internal/meta"
)

// getRegistry describes the registry at the host of the request.
func (a *API) getRegistry(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	all, err := a.registries.List(r.Context())
	if err != nil {
		return err
	}
	for _, reg := range all {
		if reg.ID == c.RegistryID {
			return a.writeRegistry(w, r, c, http.StatusOK, reg)
		}
	}
	return explain(hosting.ErrUnknown)
}

// listRegistries lists all registries for an owner of the server, and for others
// their own.
func (a *API) listRegistries(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	all, err := a.registries.List(r.Context())
	if err != nil {
		return err
	}
	out := admin.Registries{Registries: []admin.Registry{}}
	for _, reg := range all {
		if reg.ID != c.RegistryID && !c.May(manageRegistries) {
			continue
		}
		described, err := a.describeRegistry(r, c, reg)
		if err != nil {
			return err
		}
		out.Registries = append(out.Registries, described)
	}
	gate.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (a *API) describeRegistry(r *http.Request, c *gate.Caller, reg meta.Registry) (admin.Registry, error) {
	access, err := a.authn.Access(r.Context(), reg.ID)
	if err != nil {
		return admin.Registry{}, err
	}
	user, err := a.authn.AdminUser(r.Context(), reg.ID)
	return admin.Registry{
		Name: reg.Name, LoginServer: a.registries.LoginServer(reg, c.LoginServer), Created: reg.Created,
		AdminUserEnabled: user.Enabled, AnonymousPull: access.AnonymousPull, RoleAssignmentMode: roleMode(access),
	}, err
}

func (a *API) writeRegistry(w http.ResponseWriter, r *http.Request, c *gate.Caller, status int, reg meta.Registry) error {
	out, err := a.describeRegistry(r, c, reg)
	if err == nil {
		gate.WriteJSON(w, status, out)
	}
	return err
}

func (a *API) createRegistry(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	var in admin.NewRegistry
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	reg, err := a.registries.Create(r.Context(), strings.ToLower(in.Name))
	if err != nil {
		return explain(err)
	}
	if in.AdminUserEnabled {
		if err := a.authn.SetAdminUser(r.Context(), reg.ID, true); err != nil {
			return explain(err)
		}
	}
	return a.writeRegistry(w, r, c, http.StatusCreated, reg)
}

func (a *API) deleteRegistry(w http.ResponseWriter, r *http.Request, _ *gate.Caller) error {
	if err := a.registries.Delete(r.Context(), strings.ToLower(r.PathValue("name"))); err != nil {
		return explain(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
