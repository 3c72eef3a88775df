package authn

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// Lifetimes of tokens, those of ACR.
const (
	AccessTTL  = 75 * time.Minute
	RefreshTTL = 3 * time.Hour
)

// skew is how much earlier than nbf a token is good, for a clock set back.
const skew = time.Minute

const (
	issuer       = "Azure Container Registry" // clients compare it
	tokenVersion = "1.0"
	grantAccess  = "access_token"
	grantRefresh = "refresh_token"
	grantManage  = "management"
)

// claims are what tokens say: the claims of ACR, and some of our own that bind a
// token to a registry, whatever its hosts, and to the secret or the rule it was
// got by, whose end is the token's end.
type claims struct {
	ID          string        `json:"jti"`
	Subject     string        `json:"sub"` // id of the principal; "" for nobody
	NotBefore   int64         `json:"nbf"`
	Expires     int64         `json:"exp"`
	Issued      int64         `json:"iat"`
	Issuer      string        `json:"iss"`
	Audience    string        `json:"aud"` // login server
	Version     string        `json:"version"`
	Tenant      string        `json:"tenant,omitempty"`
	Grant       string        `json:"grant_type"`
	Permissions *permissions  `json:"permissions,omitempty"` // refresh tokens
	Access      []authz.Scope `json:"access,omitempty"`      // access tokens
	Roles       []string      `json:"roles"`
	Registry    int64         `json:"orlop_registry"`
	Secret      string        `json:"orlop_secret,omitempty"`
	Rule        string        `json:"orlop_rule,omitempty"`
	Name        string        `json:"orlop_name,omitempty"` // of who is known by a rule
	// Identity is in refresh tokens of registries in the mode of repository
	// roles; acr-cli finds out the mode by it.
	Identity string `json:"aad_identity,omitempty"`

	// Of management tokens: by what the clients of Azure know who signed in.
	// They read it and cannot check it.
	TenantID string `json:"tid,omitempty"`
	ObjectID string `json:"oid,omitempty"`
	AppID    string `json:"appid,omitempty"`
	Ver      string `json:"ver,omitempty"`
}

// permissions tell what a refresh token may be used for, for clients that show
// it; nothing is decided by them.
type permissions struct {
	Actions    []string `json:"actions"`
	NotActions []string `json:"notActions"`
}

// AccessToken issues a token that grants what the session may have of the
// scopes, to be used at a login server. One got by an access token ends with
// it.
func (a *Authenticator) AccessToken(s *Session, registry int64, loginServer string, scopes []authz.Scope) (string, error) {
	c := a.claims(s, registry, loginServer, AccessTTL)
	c.Grant, c.Access = grantAccess, s.Restrict(scopes)
	if s.Means == Access {
		c.Expires = min(c.Expires, s.Expires.Unix())
	}
	return a.sign(c)
}

// RefreshToken issues a token that gets access tokens. It is false for sessions
// that came by a token themselves, or by nothing.
func (a *Authenticator) RefreshToken(s *Session, registry int64, loginServer string) (string, bool, error) {
	if s.Means != Secret && s.Means != Management && s.Means != Federated {
		return "", false, nil
	}
	c := a.claims(s, registry, loginServer, RefreshTTL)
	c.Grant, c.Tenant = grantRefresh, a.keys.tenant
	c.Permissions = &permissions{Actions: []string{"read", "write", "delete", "metadata/read", "metadata/write"}}
	if s.Identity != nil && s.Identity.RepositoryRoles {
		c.Identity = s.Identity.ID
	}
	token, err := a.sign(c)
	return token, err == nil, err
}

func (a *Authenticator) claims(s *Session, registry int64, loginServer string, ttl time.Duration) *claims {
	now := a.now()
	c := &claims{
		ID: uuid.NewString(), NotBefore: now.Unix(), Issued: now.Unix(), Expires: now.Add(ttl).Unix(),
		Issuer: issuer, Audience: loginServer, Version: tokenVersion, Roles: []string{}, Registry: registry, Secret: s.proof.secret, Rule: s.proof.rule,
	}
	if s.Identity != nil {
		if s.Identity.Kind == meta.KindFederated {
			c.Name = s.Identity.Name
		}
		c.Subject, c.Roles = s.Identity.ID, append(c.Roles, s.Identity.Roles...)
	}
	return c
}

func (a *Authenticator) sign(c *claims) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	token, err := a.keys.sign(plain(payload))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

// plain escapes what would give "-" or "_" in base64url: Azure's SDK for Go
// decodes the payload as standard base64. Both come of 62 and 63 only, which in
// ASCII are the last six bits of > ? ~ and DEL.
func plain(payload []byte) []byte {
	out := make([]byte, 0, len(payload))
	for len(payload) > 0 {
		r, n := utf8.DecodeRune(payload)
		if r < utf8.RuneSelf && r&0x3f < 0x3e {
			out = append(out, byte(r))
		} else {
			out = appendEscaped(out, r)
		}
		payload = payload[n:]
	}
	return out
}

// appendEscaped appends a rune of a JSON string as \uXXXX.
func appendEscaped(out []byte, r rune) []byte {
	if r < 0x10000 {
		return fmt.Appendf(out, `\u%04x`, r)
	}
	r -= 0x10000
	return fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
}

// token checks a token of ours and tells who shows it.
func (a *Authenticator) token(ctx context.Context, registry int64, token string) (*Session, error) {
	payload, ok := a.keys.open(token)
	if !ok {
		return nil, ErrBadCredentials
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, ErrBadCredentials
	}
	// Whoever shows a token of the management plane is looked for in the registry
	// that it is shown to; all others are for one registry.
	switch {
	case c.Grant == grantManage && registry == Home:
		registry = c.Registry
	case c.Grant != grantManage && registry != c.Registry:
		return nil, ErrBadCredentials
	}
	now, expires := a.now(), time.Unix(c.Expires, 0)
	if expired(expires, now) || now.Add(skew).Before(time.Unix(c.NotBefore, 0)) || c.Issuer != issuer {
		return nil, ErrBadCredentials
	}
	s := &Session{Expires: expires, Audience: c.Audience, until: expires, proof: proof{secret: c.Secret, rule: c.Rule}}
	switch c.Grant {
	case grantAccess:
		s.Means, s.limit = Access, authz.ForScopes(c.Access)
	case grantRefresh:
		s.Means = Refresh
	case grantManage:
		s.Means = Management
	default:
		return nil, ErrBadCredentials
	}
	if c.Subject == "" {
		return s, nil
	}
	var err error
	if s.Identity, err = a.identity(ctx, registry, c.Subject, c.Name, s.proof); err == nil && s.Identity == nil {
		err = ErrBadCredentials
	}
	return s, err
}

// RefreshSession tells who shows a refresh token.
func (a *Authenticator) RefreshSession(ctx context.Context, registry int64, token string) (*Session, error) {
	if len(token) > maxAuthorization {
		return nil, ErrBadCredentials
	}
	if err := a.follow(ctx); err != nil {
		return nil, err
	}
	if err := a.settle(ctx); err != nil {
		return nil, err
	}
	s, err := a.token(ctx, registry, token)
	if err != nil {
		return nil, err
	}
	if s.Means != Refresh {
		return nil, ErrBadCredentials
	}
	return s, nil
}
