package armapi

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

// token is a registry token as Resource Manager shows it (api-version
// 2020-11-01-preview).
type token struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Properties tokenProperties `json:"properties"`
}

type tokenProperties struct {
	CreationDate      *moment          `json:"creationDate"`
	ProvisioningState string           `json:"provisioningState"`
	ScopeMapID        string           `json:"scopeMapId"`
	Credentials       tokenCredentials `json:"credentials"`
	Status            string           `json:"status"`
}

type tokenCredentials struct {
	Certificates []string        `json:"certificates"` // none; clients want the list
	Passwords    []tokenPassword `json:"passwords"`
}

type tokenPassword struct {
	CreationTime *moment `json:"creationTime"`
	Expiry       *moment `json:"expiry"` // null: never
	Name         string  `json:"name"`
	Value        string  `json:"value,omitempty"` // when it was just generated
}

func (c *client) describeToken(p meta.Principal) token {
	out := token{
		ID: c.registryID(c.registry.name) + "/tokens/" + p.Name, Name: p.Name, Type: provider + "/registries/tokens",
		Properties: tokenProperties{
			CreationDate: momentOf(p.Created), ProvisioningState: "Succeeded", ScopeMapID: c.scopeMapID(p.ScopeMap),
			Credentials: tokenCredentials{[]string{}, []tokenPassword{}}, Status: status(!p.Disabled).Status,
		},
	}
	for _, s := range p.Secrets {
		out.Properties.Credentials.Passwords = append(out.Properties.Credentials.Passwords, describePassword(s, ""))
	}
	slices.SortFunc(out.Properties.Credentials.Passwords, func(x, y tokenPassword) int { return strings.Compare(x.Name, y.Name) })
	return out
}

func describePassword(s meta.Secret, value string) tokenPassword {
	return tokenPassword{momentOf(s.Created), momentOf(s.Expires), s.Name, value}
}

func (a *API) listTokens(w http.ResponseWriter, r *http.Request, c *client) error {
	found, err := a.o.Authn.Tokens(r.Context(), c.registry.ID, "", maxListed)
	if err != nil {
		return err
	}
	var out []any
	for _, p := range found {
		out = append(out, c.describeToken(p))
	}
	return writeList(w, out...)
}

func (a *API) showToken(w http.ResponseWriter, r *http.Request, c *client) error {
	p, err := a.o.Authn.Token(r.Context(), c.registry.ID, c.named.name)
	if err != nil {
		return explainToken(err)
	}
	gate.WriteJSON(w, http.StatusOK, c.describeToken(p))
	return nil
}

// tokenChange is the body of PUT and PATCH; what is not sent stays.
type tokenChange struct {
	Properties struct {
		ScopeMapID  string `json:"scopeMapId"`
		Status      string `json:"status"`
		Credentials *struct {
			Passwords []struct{ Name string } `json:"passwords"`
		} `json:"credentials"`
	} `json:"properties"`
}

// readToken reads a body and the name of the scope map in it, which must be one
// of the same registry.
func readToken(w http.ResponseWriter, r *http.Request, c *client) (in tokenChange, scopeMap string, err error) {
	if err := readJSON(w, r, &in); err != nil {
		return in, "", err
	}
	if in.Properties.ScopeMapID != "" {
		if scopeMap, err = c.ofRegistry("scopeMaps", in.Properties.ScopeMapID); err != nil {
			return in, "", err
		}
	}
	if s := in.Properties.Status; s != "" && !(onOff{s}).is(true) && !(onOff{s}).is(false) {
		err = &resourceError{http.StatusBadRequest, "InvalidParameter", "properties.status must be enabled or disabled."}
	}
	return in, scopeMap, err
}

// ofRegistry is the name of something in the registry by its id.
func (c *client) ofRegistry(kind, id string) (string, error) {
	prefix := c.registryID(c.registry.name) + "/" + kind + "/"
	if len(id) <= len(prefix) || !strings.EqualFold(id[:len(prefix)], prefix) {
		return "", &resourceError{http.StatusBadRequest, "InvalidResourceId", "The id is not one of " + prefix + "NAME."}
	}
	return id[len(prefix):], nil
}

// putToken makes a token without passwords, or changes the one that is there.
func (a *API) putToken(w http.ResponseWriter, r *http.Request, c *client) error {
	in, scopeMap, err := readToken(w, r, c)
	if err != nil {
		return err
	}
	if scopeMap == "" {
		return &resourceError{http.StatusBadRequest, "InvalidParameter", "properties.scopeMapId is missing."}
	}
	_, err = a.o.Authn.CreateToken(r.Context(), c.registry.ID, c.named.name, scopeMap, onOff{in.Properties.Status}.is(false))
	if errors.Is(err, authn.ErrNameTaken) {
		err = a.changeToken(r, c, &in, scopeMap)
	}
	if err != nil {
		return explainToken(err)
	}
	return a.showToken(w, r, c)
}

func (a *API) updateToken(w http.ResponseWriter, r *http.Request, c *client) error {
	in, scopeMap, err := readToken(w, r, c)
	if err != nil {
		return err
	}
	if err := a.changeToken(r, c, &in, scopeMap); err != nil {
		return explainToken(err)
	}
	return a.showToken(w, r, c)
}

// changeToken changes what was sent. Passwords that are not in the list go.
func (a *API) changeToken(r *http.Request, c *client, in *tokenChange, scopeMap string) error {
	registry, name := c.registry.ID, c.named.name
	p, err := a.o.Authn.Token(r.Context(), registry, name)
	if errors.Is(err, authn.ErrNoPrincipal) && in.Properties.ScopeMapID != "" && r.Method == http.MethodPut {
		return authn.ErrNameTaken // by somebody who is no token
	}
	if err == nil && scopeMap != "" {
		err = a.o.Authn.SetTokenScopeMap(r.Context(), registry, name, scopeMap)
	}
	if s := in.Properties.Status; err == nil && s != "" {
		err = a.o.Authn.SetDisabled(r.Context(), registry, meta.KindToken, name, onOff{s}.is(false))
	}
	if gone := missing(p, in); err == nil && len(gone) > 0 {
		err = a.o.Authn.DeletePassword(r.Context(), registry, name, gone...)
	}
	return err
}

// missing are the passwords that a change leaves out.
func missing(p meta.Principal, in *tokenChange) []string {
	if in.Properties.Credentials == nil || in.Properties.Credentials.Passwords == nil {
		return nil
	}
	var gone []string
	for _, s := range p.Secrets {
		if !slices.ContainsFunc(in.Properties.Credentials.Passwords, func(kept struct{ Name string }) bool { return kept.Name == s.Name }) {
			gone = append(gone, s.Name)
		}
	}
	return gone
}

func (a *API) deleteToken(w http.ResponseWriter, r *http.Request, c *client) error {
	err := a.o.Authn.DeleteToken(r.Context(), c.registry.ID, c.named.name)
	return deleted(w, err, authn.ErrNoPrincipal)
}

// generateCredentials gives a token new passwords, both if none is named, and
// shows them this once.
func (a *API) generateCredentials(w http.ResponseWriter, r *http.Request, c *client) error {
	var in struct {
		TokenID string     `json:"tokenId"`
		Name    string     `json:"name"`
		Expiry  *time.Time `json:"expiry"`
	}
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	name, err := c.ofRegistry("tokens", in.TokenID)
	if err != nil {
		return err
	}
	var expires time.Time
	if in.Expiry != nil {
		expires = *in.Expiry
	}
	names := authn.TokenPasswords
	if in.Name != "" {
		names = []string{in.Name}
	}
	out := struct {
		Username  string          `json:"username"`
		Passwords []tokenPassword `json:"passwords"`
	}{Username: name}
	for _, password := range names {
		secret, plain, err := a.o.Authn.GeneratePassword(r.Context(), c.registry.ID, name, password, expires)
		if err != nil {
			return explainToken(err)
		}
		out.Passwords = append(out.Passwords, describePassword(secret, plain))
	}
	gate.WriteJSON(w, http.StatusOK, out)
	return nil
}
