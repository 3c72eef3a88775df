package admin

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Values of Token.Status.
const (
	Enabled  = "enabled"
	Disabled = "disabled"
)

// Token is a registry token: an account for a program whose rights are those of
// its scope map. The shape is that of "az acr token show".
type Token struct {
	Name        string           `json:"name"` // also to sign in with
	ScopeMap    string           `json:"scopeMap"`
	Status      string           `json:"status"` // Enabled or Disabled
	Created     time.Time        `json:"creationDate"`
	Credentials TokenCredentials `json:"credentials"`
}

// TokenCredentials are the passwords of a token.
type TokenCredentials struct {
	Username  string          `json:"username"`
	Passwords []TokenPassword `json:"passwords"`
}

// TokenPassword is a password of a token; its value is shown once.
type TokenPassword struct {
	Name    string     `json:"name"` // password1 or password2
	Created time.Time  `json:"creationTime"`
	Expiry  *time.Time `json:"expiry"`          // null: never
	Value   string     `json:"value,omitempty"` // when it was just generated
}

// Tokens is a page of a list, by name.
type Tokens struct {
	Tokens []Token `json:"tokens"`
	More   bool    `json:"more"`
}

// NewToken is the body of POST tokens.
type NewToken struct {
	Name     string `json:"name"`
	ScopeMap string `json:"scopeMap"`
	Status   string `json:"status,omitempty"` // Enabled if ""
}

// TokenChange is the body of PATCH tokens/{name}; what is "" stays.
type TokenChange struct {
	ScopeMap string `json:"scopeMap,omitempty"`
	Status   string `json:"status,omitempty"`
}

// NewTokenPassword is the body of POST tokens/{name}/credentials.
type NewTokenPassword struct {
	Name   string     `json:"name"` // password1 or password2
	Expiry *time.Time `json:"expiry,omitempty"`
}

// ScopeMap is a named list of what tokens may do.
type ScopeMap struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	// Actions are "repositories/samples/app/content/read" and the like.
	Actions []string `json:"actions"`
	// Type is SystemDefined for those that every registry has.
	Type    string     `json:"type,omitempty"`
	Created *time.Time `json:"creationDate,omitempty"`
}

// Values of ScopeMap.Type.
const (
	UserDefined   = "UserDefined"
	SystemDefined = "SystemDefined"
)

// ScopeMaps is a page of a list, by name.
type ScopeMaps struct {
	ScopeMaps []ScopeMap `json:"scopeMaps"`
	More      bool       `json:"more"`
}

// ScopeMapChange is the body of PATCH scope-maps/{name}: actions that come and
// go; a Description of nil stays.
type ScopeMapChange struct {
	Description *string  `json:"description,omitempty"`
	Add         []string `json:"add,omitempty"`
	Remove      []string `json:"remove,omitempty"`
}

// CreateToken makes a token without passwords.
func (c *Client) CreateToken(ctx context.Context, t NewToken) (Token, error) {
	var out Token
	err := c.call(ctx, http.MethodPost, "tokens", t, &out)
	return out, err
}

// Token returns a token.
func (c *Client) Token(ctx context.Context, name string) (Token, error) {
	var out Token
	err := c.call(ctx, http.MethodGet, "tokens/"+url.PathEscape(name), nil, &out)
	return out, err
}

// Tokens lists all, by name.
func (c *Client) Tokens(ctx context.Context) iter.Seq2[Token, error] {
	return pages(ctx, c, "tokens", func(p Tokens) ([]Token, bool) { return p.Tokens, p.More }, func(t Token) string { return t.Name })
}

// UpdateToken changes a token, which counts from the next request.
func (c *Client) UpdateToken(ctx context.Context, name string, change TokenChange) (Token, error) {
	var out Token
	err := c.call(ctx, http.MethodPatch, "tokens/"+url.PathEscape(name), change, &out)
	return out, err
}

// DeleteToken removes a token, which is refused from then on.
func (c *Client) DeleteToken(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "tokens/"+url.PathEscape(name), nil, nil)
}

// GenerateTokenPassword replaces one of the two passwords of a token. The answer
// has it; nobody can get it again.
func (c *Client) GenerateTokenPassword(ctx context.Context, name string, p NewTokenPassword) (TokenCredentials, error) {
	var out TokenCredentials
	err := c.call(ctx, http.MethodPost, "tokens/"+url.PathEscape(name)+"/credentials", p, &out)
	return out, err
}

// DeleteTokenPassword takes a password from a token.
func (c *Client) DeleteTokenPassword(ctx context.Context, name, password string) error {
	return c.call(ctx, http.MethodDelete, "tokens/"+url.PathEscape(name)+"/credentials/"+url.PathEscape(password), nil, nil)
}

// CreateScopeMap makes a scope map.
func (c *Client) CreateScopeMap(ctx context.Context, m ScopeMap) (ScopeMap, error) {
	var out ScopeMap
	err := c.call(ctx, http.MethodPost, "scope-maps", m, &out)
	return out, err
}

// ScopeMap returns a scope map.
func (c *Client) ScopeMap(ctx context.Context, name string) (ScopeMap, error) {
	var out ScopeMap
	err := c.call(ctx, http.MethodGet, "scope-maps/"+url.PathEscape(name), nil, &out)
	return out, err
}

// ScopeMaps lists all, by name; those that every registry has come last.
func (c *Client) ScopeMaps(ctx context.Context) iter.Seq2[ScopeMap, error] {
	return pages(ctx, c, "scope-maps", func(p ScopeMaps) ([]ScopeMap, bool) { return p.ScopeMaps, p.More }, func(m ScopeMap) string { return m.Name })
}

// UpdateScopeMap changes a scope map, which counts for its tokens from the next
// request.
func (c *Client) UpdateScopeMap(ctx context.Context, name string, change ScopeMapChange) (ScopeMap, error) {
	var out ScopeMap
	err := c.call(ctx, http.MethodPatch, "scope-maps/"+url.PathEscape(name), change, &out)
	return out, err
}

// DeleteScopeMap removes a scope map that no token has.
func (c *Client) DeleteScopeMap(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "scope-maps/"+url.PathEscape(name), nil, nil)
}
