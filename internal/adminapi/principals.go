package adminapi

import (
	"fmt"
	"net/http"
	"slices"
	"time"
	"unicode"

	"github.com/orlop/orlop/internal/admin"
	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

const (
	maxName         = 120 // bytes of a display name
	maxRepositories = 500 // of one service principal
	maxRoles        = 10  // likewise
)

func (a *API) createServicePrincipal(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	var in admin.NewServicePrincipal
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	if err := checkName(in.Name); err != nil {
		return err
	}
	roles, err := assignments(in.Roles, in.Repositories)
	if err != nil {
		return err
	}
	p, secret, err := a.authn.CreateServicePrincipal(r.Context(), c.RegistryID, in.Name, roles)
	if err != nil {
		return explain(err)
	}
	a.writeCredential(w, http.StatusCreated, p, secret)
	return nil
}

func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return invalid(fmt.Sprintf("name must have 1 to %d bytes", maxName))
	}
	return checkPrintable("name", name)
}

func checkPrintable(what, s string) error {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return invalid(what + " must be printable")
		}
	}
	return nil
}

// assignments are the roles of a new principal, each at each of the
// repositories, or at the registry if there are none.
func assignments(roles, prefixes []string) ([]meta.RoleAssignment, error) {
	if len(prefixes) > maxRepositories {
		return nil, invalid(fmt.Sprintf("at most %d repositories", maxRepositories))
	}
	if len(roles) == 0 || len(roles) > maxRoles {
		return nil, invalid(fmt.Sprintf("1 to %d roles are needed", maxRoles))
	}
	if len(prefixes) == 0 {
		prefixes = []string{""} // the whole registry
	} else if slices.Contains(prefixes, "") {
		return nil, invalid("a repository has no name")
	}
	var out []meta.RoleAssignment
	for _, role := range roles {
		for _, prefix := range prefixes {
			out = append(out, meta.RoleAssignment{Role: role, Prefix: prefix})
		}
	}
	for _, assignment := range out {
		if err := authz.CheckAssignment(assignment); err != nil {
			return nil, invalid(err.Error())
		}
	}
	return out, nil
}

func (a *API) listServicePrincipals(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	n, err := pageSize(r)
	if err != nil {
		return err
	}
	found, err := a.authn.ServicePrincipals(r.Context(), c.RegistryID, r.URL.Query().Get("last"), n+1)
	if err != nil {
		return err
	}
	page := admin.ServicePrincipals{ServicePrincipals: []admin.ServicePrincipal{}, More: len(found) > n}
	for _, p := range found[:min(n, len(found))] {
		page.ServicePrincipals = append(page.ServicePrincipals, describe(p))
	}
	gate.WriteJSON(w, http.StatusOK, page)
	return nil
}

func describe(p meta.Principal) admin.ServicePrincipal {
	return admin.ServicePrincipal{AppID: p.ID, DisplayName: p.DisplayName, Created: p.Created,
		Enabled: !p.Disabled, Roles: describeRoles(p.Roles)}
}

func describeRoles(roles []meta.RoleAssignment) []admin.Role {
	out := []admin.Role{}
	for _, r := range roles {
		out = append(out, admin.Role{Role: r.Role, Repository: r.Prefix})
	}
	return out
}

func (a *API) deleteServicePrincipal(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	if err := a.authn.DeleteServicePrincipal(r.Context(), c.RegistryID, r.PathValue("id")); err != nil {
		return explain(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) enableServicePrincipal(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	return a.enable(w, r, c, meta.KindServicePrincipal, r.PathValue("id"))
}

// enable lets a principal in, or keeps it out.
func (a *API) enable(w http.ResponseWriter, r *http.Request, c *gate.Caller, kind meta.Kind, name string) error {
	enabled, err := readEnabled(w, r)
	if err != nil {
		return err
	}
	if err := a.authn.SetDisabled(r.Context(), c.RegistryID, kind, name, !enabled); err != nil {
		return explain(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func readEnabled(w http.ResponseWriter, r *http.Request) (bool, error) {
	var in admin.Enablement
	if err := readJSON(w, r, &in); err != nil {
		return false, err
	}
	if in.Enabled == nil {
		return false, invalid("enabled must be true or false")
	}
	return *in.Enabled, nil
}

func (a *API) resetCredential(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	var in admin.NewSecret
	if r.ContentLength != 0 { // the first clients sent no body
		if err := readJSON(w, r, &in); err != nil {
			return err
		}
	}
	if in.DisplayName != "" {
		if err := checkName(in.DisplayName); err != nil {
			return err
		}
	}
	p, err := a.authn.ServicePrincipal(r.Context(), c.RegistryID, r.PathValue("id"))
	if err != nil {
		return explain(err)
	}
	_, secret, err := a.authn.ResetSecret(r.Context(), c.RegistryID, p.ID, authn.NewSecret{
		Name: in.DisplayName, Expires: instant(in.End), Append: in.Append,
	})
	if err != nil {
		return explain(err)
	}
	a.writeCredential(w, http.StatusOK, p, secret)
	return nil
}

func (a *API) listCredentials(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	p, err := a.authn.ServicePrincipal(r.Context(), c.RegistryID, r.PathValue("id"))
	if err != nil {
		return explain(err)
	}
	out := admin.Secrets{Secrets: []admin.Secret{}}
	for _, s := range p.Secrets {
		known := admin.Secret{KeyID: s.ID, DisplayName: s.Name, Start: s.Created.Format(time.RFC3339)}
		if !s.Expires.IsZero() {
			known.End = s.Expires.Format(time.RFC3339)
		}
		out.Secrets = append(out.Secrets, known)
	}
	gate.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (a *API) deleteCredential(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	if err := a.authn.DeleteSecret(r.Context(), c.RegistryID, r.PathValue("id"), r.PathValue("key")); err != nil {
		return explain(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// writeCredential shows a secret, this once.
func (a *API) writeCredential(w http.ResponseWriter, status int, p meta.Principal, secret string) {
	w.Header().Set("Cache-Control", "no-store")
	gate.WriteJSON(w, status, admin.Credential{AppID: p.ID, DisplayName: p.DisplayName, Password: secret, Tenant: a.authn.Tenant()})
}
