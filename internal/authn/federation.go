package authn

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/orlop/orlop/internal/meta"
)

// ErrIssuerUnavailable: the keys of an issuer could not be fetched.
var ErrIssuerUnavailable = errors.New("the issuer of the token cannot be reached")

// maxForeign is the longest token of an issuer that is looked at, in bytes.
const maxForeign = 32 << 10

// External is who an issuer says shows a token, and the rule that it matched.
type External struct {
	Issuer  string
	Subject string
	Rule    string // name
}

// Rule tells who those are that it matches: a principal of ours, or somebody
// with these roles.
type Rule struct {
	Registry  string // that it is for; "" is the default one
	Principal string // sign-in name; "" if Roles tell
	Roles     []meta.RoleAssignment
}

// Federation knows the issuers that are trusted and the rules for their tokens.
// It is called concurrently.
type Federation interface {
	// Verify checks a token that is shown to a registry, "" for the default one.
	// Errors are ErrBadCredentials, also where no rule for the registry matches,
	// and ErrIssuerUnavailable.
	Verify(ctx context.Context, registry, token string) (External, error)
	// Rule returns a rule by its name.
	Rule(name string) (Rule, bool)
}

// noFederation trusts nobody.
type noFederation struct{}

func (noFederation) Verify(context.Context, string, string) (External, error) {
	return External{}, ErrBadCredentials
}
func (noFederation) Rule(string) (Rule, bool) { return Rule{}, false }

// federated tells who shows a token of an issuer.
func (a *Authenticator) federated(ctx context.Context, registry int64, token string) (*Session, error) {
	name, err := a.ruleRegistry(ctx, registry)
	if err != nil {
		return nil, err
	}
	who, err := a.federation.Verify(ctx, name, token)
	if err != nil {
		return nil, err
	}
	rule, ok := a.federation.Rule(who.Rule)
	if !ok {
		return nil, ErrBadCredentials
	}
	s := &Session{Means: Federated, proof: proof{rule: who.Rule}}
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(who.Issuer+"\x00"+who.Subject)).String()
	if rule.Principal != "" {
		p, ok, err := a.store.PrincipalNamed(ctx, registry, rule.Principal)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, ErrBadCredentials
		}
		id = p.ID
	}
	if s.Identity, err = a.identity(ctx, registry, id, who.Subject, s.proof); err == nil && s.Identity == nil {
		err = ErrBadCredentials
	}
	return s, err
}

// ruleRegistry is a registry as rules name it.
func (a *Authenticator) ruleRegistry(ctx context.Context, registry int64) (string, error) {
	if registry == meta.DefaultRegistry {
		return "", nil
	}
	access, err := a.store.Access(ctx, registry)
	return access.Name, err
}

// identity returns who a principal is now, for somebody who is known by a proof;
// nil if the principal has gone or is disabled, or no longer has the proof.
func (a *Authenticator) identity(ctx context.Context, registry int64, id, name string, p proof) (*Identity, error) {
	if p.rule == "" {
		found, err := a.people.get(ctx, registry, id)
		if err != nil || found == nil || !found.holds(p.secret, a.now()) {
			return nil, err
		}
		return found, nil
	}
	rule, ok := a.federation.Rule(p.rule)
	if !ok {
		return nil, nil
	}
	if at, err := a.ruleRegistry(ctx, registry); err != nil || at != rule.Registry {
		return nil, err
	}
	if rule.Principal == "" {
		return a.stranger(ctx, registry, id, name, rule)
	}
	found, err := a.people.get(ctx, registry, id)
	if err != nil || found == nil || found.Name != rule.Principal {
		return nil, err
	}
	return found, nil
}

// stranger is somebody without an account here, whose roles a rule tells.
func (a *Authenticator) stranger(ctx context.Context, registry int64, id, name string, rule Rule) (*Identity, error) {
	known, seen := a.people.known(registry, id)
	if known != nil && known.current(a.now()) {
		return known, nil
	}
	access, err := a.store.Access(ctx, registry)
	if err != nil {
		return nil, err
	}
	return a.people.remember(meta.Principal{
		ID: id, Registry: registry, Kind: meta.KindFederated, Name: name, Roles: rule.Roles, RepositoryRoles: access.RepositoryRoles,
	}, seen), nil
}
