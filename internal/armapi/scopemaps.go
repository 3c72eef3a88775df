package armapi

import (
	"errors"
	"net/http"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

// maxListed is how many tokens or scope maps a list shows: those of Azure's
// largest registries, all in one answer as there.
const maxListed = 50_000

// scopeMap is a scope map as Resource Manager shows it (api-version
// 2020-11-01-preview).
type scopeMap struct {
	ID         string             `json:"id"`
	Name       string             `json:"name"`
	Type       string             `json:"type"`
	Properties scopeMapProperties `json:"properties"`
}

type scopeMapProperties struct {
	Description       string   `json:"description"`
	Type              string   `json:"type"` // UserDefined or SystemDefined
	CreationDate      *moment  `json:"creationDate"`
	ProvisioningState string   `json:"provisioningState"`
	Actions           []string `json:"actions"`
}

func (c *client) describeScopeMap(m meta.ScopeMap) scopeMap {
	kind := "UserDefined"
	if authz.IsBuiltinScopeMap(m.Name) {
		kind = "SystemDefined"
	}
	return scopeMap{
		ID: c.scopeMapID(m.Name), Name: m.Name, Type: provider + "/registries/scopeMaps",
		Properties: scopeMapProperties{m.Description, kind, momentOf(m.Created), "Succeeded", m.Actions},
	}
}

func (c *client) scopeMapID(name string) string {
	return c.registryID(c.registry.name) + "/scopeMaps/" + name
}

func (a *API) listScopeMaps(w http.ResponseWriter, r *http.Request, c *client) error {
	found, err := a.o.Authn.ScopeMaps(r.Context(), c.registry.ID, "", maxListed)
	if err != nil {
		return err
	}
	var out []any
	for _, m := range found {
		out = append(out, c.describeScopeMap(m))
	}
	return writeList(w, out...)
}

func (a *API) showScopeMap(w http.ResponseWriter, r *http.Request, c *client) error {
	m, err := a.o.Authn.ScopeMap(r.Context(), c.registry.ID, c.named.name)
	if err != nil {
		return explain(err)
	}
	gate.WriteJSON(w, http.StatusOK, c.describeScopeMap(m))
	return nil
}

// scopeMapChange is the body of PUT and PATCH; PATCH leaves what is nil.
type scopeMapChange struct {
	Properties struct {
		Description *string  `json:"description"`
		Actions     []string `json:"actions"`
	} `json:"properties"`
}

func readScopeMap(w http.ResponseWriter, r *http.Request) (*scopeMapChange, error) {
	var in scopeMapChange
	err := readJSON(w, r, &in)
	if err == nil && in.Properties.Description != nil {
		err = errScopeMap(authz.CheckDescription(*in.Properties.Description))
	}
	if err == nil && in.Properties.Actions != nil {
		in.Properties.Actions, err = authz.ChangeActions(nil, in.Properties.Actions, nil)
		err = errScopeMap(err)
	}
	return &in, err
}

func (in *scopeMapChange) apply(m *meta.ScopeMap) error {
	if in.Properties.Description != nil {
		m.Description = *in.Properties.Description
	}
	if in.Properties.Actions != nil {
		m.Actions = in.Properties.Actions
	}
	return nil
}

// putScopeMap makes a scope map, or changes the one that is there.
func (a *API) putScopeMap(w http.ResponseWriter, r *http.Request, c *client) error {
	in, err := readScopeMap(w, r)
	if err != nil {
		return err
	}
	if in.Properties.Actions == nil {
		return errScopeMap(errors.New("properties.actions is missing"))
	}
	m := meta.ScopeMap{Registry: c.registry.ID, Name: c.named.name}
	_ = in.apply(&m) // nil
	_, err = a.o.Authn.CreateScopeMap(r.Context(), m)
	if errors.Is(err, authn.ErrNameTaken) {
		err = a.o.Authn.EditScopeMap(r.Context(), c.registry.ID, c.named.name, in.apply)
	}
	if err != nil {
		return explain(err)
	}
	return a.showScopeMap(w, r, c)
}

func (a *API) updateScopeMap(w http.ResponseWriter, r *http.Request, c *client) error {
	in, err := readScopeMap(w, r)
	if err != nil {
		return err
	}
	if err := a.o.Authn.EditScopeMap(r.Context(), c.registry.ID, c.named.name, in.apply); err != nil {
		return explain(err)
	}
	return a.showScopeMap(w, r, c)
}

func (a *API) deleteScopeMap(w http.ResponseWriter, r *http.Request, c *client) error {
	err := a.o.Authn.DeleteScopeMap(r.Context(), c.registry.ID, c.named.name)
	return deleted(w, err, authn.ErrNoScopeMap)
}

// deleted answers a deletion; to delete what is not there is none, with the
// answer of Azure.
func deleted(w http.ResponseWriter, err, absent error) error {
	switch {
	case errors.Is(err, absent):
		w.WriteHeader(http.StatusNoContent)
	case err != nil:
		return explain(err)
	default:
		w.WriteHeader(http.StatusOK)
	}
	return nil
}
