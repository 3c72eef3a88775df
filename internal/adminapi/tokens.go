package adminapi

import (
	"net/http"
	"slices"

	"github.com/orlop/orlop/internal/admin"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

func (a *API) createToken(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	var in admin.NewToken
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	disabled, err := isDisabled(in.Status)
	if err != nil {
		return err
	}
	p, err := a.authn.CreateToken(r.Context(), c.RegistryID, in.Name, in.ScopeMap, disabled)
	if err != nil {
		return explain(err)
	}
	gate.WriteJSON(w, http.StatusCreated, describeToken(p))
	return nil
}

// isDisabled reads a status; "" is enabled.
func isDisabled(status string) (bool, error) {
	switch status {
	case "", admin.Enabled:
		return false, nil
	case admin.Disabled:
		return true, nil
	}
	return false, invalid("status must be enabled or disabled")
}

func describeToken(p meta.Principal) admin.Token {
	t := admin.Token{
		Name: p.Name, ScopeMap: p.ScopeMap, Status: admin.Enabled, Created: p.Created,
		Credentials: admin.TokenCredentials{Username: p.Name, Passwords: []admin.TokenPassword{}},
	}
	if p.Disabled {
		t.Status = admin.Disabled
	}
	for _, s := range p.Secrets {
		t.Credentials.Passwords = append(t.Credentials.Passwords, describePassword(s))
	}
	slices.SortFunc(t.Credentials.Passwords, func(x, y admin.TokenPassword) int {
		if x.Name < y.Name {
			return -1
		}
		return 1
	})
	return t
}

func describePassword(s meta.Secret) admin.TokenPassword {
	p := admin.TokenPassword{Name: s.Name, Created: s.Created}
	if !s.Expires.IsZero() {
		p.Expiry = &s.Expires
	}
	return p
}

func (a *API) listTokens(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	n, err := pageSize(r)
	if err != nil {
		return err
	}
	found, err := a.authn.Tokens(r.Context(), c.RegistryID, r.URL.Query().Get("last"), n+1)
	if err != nil {
		return err
	}
	page := admin.Tokens{Tokens: []admin.Token{}, More: len(found) > n}
	for _, p := range found[:min(n, len(found))] {
		page.Tokens = append(page.Tokens, describeToken(p))
	}
	gate.WriteJSON(w, http.StatusOK, page)
	return nil
}

func (a *API) getToken(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	p, err := a.authn.Token(r.Context(), c.RegistryID, r.PathValue("name"))
	if err != nil {
		return explain(err)
	}
	gate.WriteJSON(w, http.StatusOK, describeToken(p))
	return nil
}

func (a *API) updateToken(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	var in admin.TokenChange
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	disabled, err := isDisabled(in.Status)
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	if in.ScopeMap != "" {
		if err := a.authn.SetTokenScopeMap(r.Context(), c.RegistryID, name, in.ScopeMap); err != nil {
			return explain(err)
		}
	}
	if in.Status != "" {
		if err := a.authn.SetDisabled(r.Context(), c.RegistryID, meta.KindToken, name, disabled); err != nil {
			return explain(err)
		}
	}
	return a.getToken(w, r, c)
}

func (a *API) deleteToken(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	if err := a.authn.DeleteToken(r.Context(), c.RegistryID, r.PathValue("name")); err != nil {
		return explain(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) generatePassword(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	var in admin.NewTokenPassword
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	name := r.PathValue("name")
	secret, plain, err := a.authn.GeneratePassword(r.Context(), c.RegistryID, name, in.Name, instant(in.Expiry))
	if err != nil {
		return explain(err)
	}
	password := describePassword(secret)
	password.Value = plain
	w.Header().Set("Cache-Control", "no-store") // it is shown this once
	gate.WriteJSON(w, http.StatusOK, admin.TokenCredentials{Username: name, Passwords: []admin.TokenPassword{password}})
	return nil
}

func (a *API) deletePassword(w http.ResponseWriter, r *http.Request, c *gate.Caller) error {
	if err := a.authn.DeletePassword(r.Context(), c.RegistryID, r.PathValue("name"), r.PathValue("password")); err != nil {
		return explain(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
