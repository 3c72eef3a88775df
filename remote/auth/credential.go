package auth

import (
	"context"
	"log/slog"
)

// Credential is what a registry's token service or the registry itself accepts
// as proof of identity. The zero value is the anonymous caller. At most one
// kind is meant to be set; AccessToken wins over RefreshToken, and that over
// Username and Password.
type Credential struct {
	Username string
	Password string
	// RefreshToken is an identity token: the token service trades it for
	// access tokens (grant_type=refresh_token).
	RefreshToken string
	// AccessToken is sent to the registry as it is (Authorization: Bearer).
	AccessToken string
}

// CredentialFunc returns the credential for a registry, named as host[:port]
// exactly as the registry was opened. It returns the zero Credential if there
// is none. It may be called concurrently.
type CredentialFunc func(ctx context.Context, registry string) (Credential, error)

// Static returns a CredentialFunc that always gives c. It answers for whatever
// registry asks, so it belongs to a client of one registry only.
func Static(c Credential) CredentialFunc {
	return func(context.Context, string) (Credential, error) { return c, nil }
}

// IsZero tells whether c is the anonymous caller.
func (c Credential) IsZero() bool { return c == Credential{} }

// String names the kind of credential and hides what is secret.
func (c Credential) String() string {
	switch {
	case c.IsZero():
		return "anonymous"
	case c.AccessToken != "":
		return "access token"
	case c.RefreshToken != "":
		return "identity token"
	default:
		return "user " + c.Username
	}
}

// GoString is String, so that %#v hides secrets too.
func (c Credential) GoString() string { return c.String() }

// LogValue is String, so that a logger hides secrets.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }
