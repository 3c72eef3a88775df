package adminapi

import (
	"net/http"

	"github.com/orlop/orlop/internal/admin"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

func (a *API) createScopeMap(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	var in admin.ScopeMap
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	actions, err := changeActions(nil, in.Actions, nil)
	if err == nil {
		err = checkDescription(in.Description)
	}
	if err != nil {
		return err
	}
	m, err := a.authn.CreateScopeMap(r.Context(), meta.ScopeMap{
		Registry: c.RegistryID, Name: in.Name, Description: in.Description, Actions: actions,
	})
	if err != nil {
		return explain(err)
	}
	gate.WriteJSON(w, http.StatusCreated, describeScopeMap(m))
	return nil
}

// changeActions is authz.ChangeActions with an error for the caller.
func changeActions(actions, add, remove []string) ([]string, error) {
	out, err := authz.ChangeActions(actions, add, remove)
	if err != nil {
		return nil, invalid(err.Error())
	}
	return out, nil
}

func checkDescription(s string) error {
	if err := authz.CheckDescription(s); err != nil {
		return invalid(err.Error())
	}
	return nil
}

func describeScopeMap(m meta.ScopeMap) admin.ScopeMap {
	out := admin.ScopeMap{Name: m.Name, Description: m.Description, Actions: m.Actions, Type: admin.UserDefined, Created: &m.Created}
	if authz.IsBuiltinScopeMap(m.Name) {
		out.Type, out.Created = admin.SystemDefined, nil
	}
	return out
}

func (a *API) listScopeMaps(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	n, err := pageSize(r)
	if err != nil {
		return err
	}
	found, err := a.authn.ScopeMaps(r.Context(), c.RegistryID, r.URL.Query().Get("last"), n+1)
	if err != nil {
		return err
	}
	page := admin.ScopeMaps{ScopeMaps: []admin.ScopeMap{}, More: len(found) > n}
	for _, m := range found[:min(n, len(found))] {
		page.ScopeMaps = append(page.ScopeMaps, describeScopeMap(m))
	}
	gate.WriteJSON(w, http.StatusOK, page)
	return nil
}

func (a *API) getScopeMap(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	m, err := a.authn.ScopeMap(r.Context(), c.RegistryID, r.PathValue("name"))
	if err != nil {
		return explain(err)
	}
	gate.WriteJSON(w, http.StatusOK, describeScopeMap(m))
	return nil
}

func (a *API) updateScopeMap(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	var in admin.ScopeMapChange
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	if in.Description != nil {
		if err := checkDescription(*in.Description); err != nil {
			return err
		}
	}
	err := a.authn.EditScopeMap(r.Context(), c.RegistryID, r.PathValue("name"), func(m *meta.ScopeMap) (err error) {
		if in.Description != nil {
			m.Description = *in.Description
		}
		m.Actions, err = changeActions(m.Actions, in.Add, in.Remove)
		return err
	})
	if err != nil {
		return explain(err)
	}
	return a.getScopeMap(w, r, c)
}

func (a *API) deleteScopeMap(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	if err := a.authn.DeleteScopeMap(r.Context(), c.RegistryID, r.PathValue("name")); err != nil {
		return explain(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
