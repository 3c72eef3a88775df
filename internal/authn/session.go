package authn

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// Identity is a principal as it was last read, with its roles compiled. It does
// not change; after a change of the principal it is replaced.
type Identity struct {
	ID       string
	Name     string
	Kind     meta.Kind
	Registry int64
	Roles    []string      // names, sorted, each once
	Grants   *authz.Grants // present rights
	// RepositoryRoles: the registry is in the mode in which only
	// repository-scoped roles give rights on content.
	RepositoryRoles bool

	secrets []meta.Secret
	loaded  time.Time
	stale   atomic.Bool // the principal has changed since
}

// holds tells whether the principal has the secret still and it has not
// expired.
func (id *Identity) holds(secret string, now time.Time) bool {
	i := slices.IndexFunc(id.secrets, func(s meta.Secret) bool { return s.ID == secret })
	return i >= 0 && !expired(id.secrets[i].Expires, now)
}

func expired(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

// Means is what a caller signed in with.
type Means uint8

// The ways to sign in.
const (
	Nobody     Means = iota // no credentials
	Secret                  // a password or generated secret
	Access                  // an access token
	Refresh                 // a refresh token
	Management              // a token of the management plane
	Federated               // a token of an issuer that is trusted
)

// Session is an authenticated caller: who it is, and what limits the credential
// it showed. It does not change.
type Session struct {
	Identity *Identity // nil: anonymous
	Means    Means
	Expires  time.Time // of the token; zero with a secret
	Audience string    // what the token is for, as it says itself; "" with a secret

	limit *authz.Grants // what the access token grants; nil: no limit
	anon  *authz.Grants // what nobody in particular may do, without Identity
	proof proof         // what the caller signed in with in the end
	until time.Time     // when a cached session ends; zero: never
}

// proof is what makes a principal known: one of its secrets, or a rule by which
// an issuer is trusted. A session, and every token got in it, ends with it.
type proof struct {
	secret string // id of the secret
	rule   string // name of the rule; then there is no secret
}

// Anonymous tells whether the caller is nobody in particular.
func (s *Session) Anonymous() bool { return s.Identity == nil }

// May tells whether the caller has the right now: its principal must have it,
// and its token must grant it.
func (s *Session) May(a authz.Access) bool {
	return s.rights().Allows(a) && (s.limit == nil || s.limit.Allows(a))
}

// Could tells whether the caller lacks the right only because its token does not
// grant it: it may get one that does.
func (s *Session) Could(a authz.Access) bool {
	return s.limit != nil && s.rights().Allows(a) && !s.limit.Allows(a)
}

// Sees tells whether a repository shows in the lists of the caller. A token for
// the list grants nothing on the repositories, so what counts here is what the
// principal may see.
func (s *Session) Sees(repo string) bool { return s.rights().Sees(repo) }

// Restrict returns what of the scopes the caller may have in a token.
func (s *Session) Restrict(scopes []authz.Scope) []authz.Scope {
	scopes = s.rights().Restrict(scopes)
	if s.limit != nil {
		scopes = s.limit.Restrict(scopes)
	}
	return scopes
}

func (s *Session) rights() *authz.Grants {
	if s.Identity == nil {
		return s.anon
	}
	return s.Identity.Grants
}
