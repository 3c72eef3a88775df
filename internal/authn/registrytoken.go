package authn

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// Errors of registry tokens and scope maps.
var (
	// ErrTokenName: the name is not one for a token or a scope map.
	ErrTokenName = errors.New("a name has 5 to 50 letters, digits, - and _, and begins with a letter or digit")
	// ErrPasswordName: a token has two passwords.
	ErrPasswordName = errors.New("a password is password1 or password2")
	// ErrNoScopeMap: there is no such scope map.
	ErrNoScopeMap = errors.New("no such scope map")
	// ErrScopeMapUsed: a token has the scope map.
	ErrScopeMapUsed = errors.New("a token has this scope map")
	// ErrBuiltinScopeMap: the scope map is one that every registry has.
	ErrBuiltinScopeMap = errors.New("a scope map whose name begins with _ cannot be changed")
)

// tokenName is a name of a token or a scope map.
var tokenName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{4,49}$`)

// TokenPasswords are the names of the passwords of a token.
var TokenPasswords = []string{"password1", "password2"}

// CreateToken makes a registry token without passwords, that may do what its
// scope map says. ErrTokenName, ErrNameTaken, ErrNoScopeMap.
func (a *Authenticator) CreateToken(ctx context.Context, registry int64, name, scopeMap string, disabled bool) (meta.Principal, error) {
	if !tokenName.MatchString(name) || uuid.Validate(name) == nil {
		return meta.Principal{}, ErrTokenName
	}
	if _, err := a.ScopeMap(ctx, registry, scopeMap); err != nil {
		return meta.Principal{}, err
	}
	p := meta.Principal{
		ID: uuid.NewString(), Registry: registry, Kind: meta.KindToken, Name: name, DisplayName: name, Created: a.now(),
		ScopeMap: scopeMap, Disabled: disabled,
	}
	if err := a.create(ctx, p); err != nil {
		return meta.Principal{}, fmt.Errorf("create token: %w", err)
	}
	return p, nil
}

// Token returns a registry token; ErrNoPrincipal if there is none.
func (a *Authenticator) Token(ctx context.Context, registry int64, name string) (meta.Principal, error) {
	return a.named(ctx, registry, meta.KindToken, name)
}

// Tokens lists at most n registry tokens after a name, by name.
func (a *Authenticator) Tokens(ctx context.Context, registry int64, after string, n int) ([]meta.Principal, error) {
	return a.store.Principals(ctx, registry, meta.KindToken, after, n)
}

// DeleteToken removes a registry token, which is refused from the next request
// on. ErrNoPrincipal.
func (a *Authenticator) DeleteToken(ctx context.Context, registry int64, name string) error {
	return a.delete(ctx, registry, meta.KindToken, name)
}

// SetTokenScopeMap changes what a token may do, from the next request on.
// ErrNoPrincipal, ErrNoScopeMap.
func (a *Authenticator) SetTokenScopeMap(ctx context.Context, registry int64, name, scopeMap string) error {
	if _, err := a.ScopeMap(ctx, registry, scopeMap); err != nil {
		return err
	}
	p, err := a.Token(ctx, registry, name)
	if err != nil {
		return err
	}
	return a.edit(ctx, registry, p.ID, func(p *meta.Principal) error {
		p.ScopeMap = scopeMap
		return nil
	})
}

// GeneratePassword gives a token a new password in place of the one of that
// name, and returns it with the plain text. The other one stays.
// ErrNoPrincipal, ErrPasswordName, ErrExpiry.
func (a *Authenticator) GeneratePassword(ctx context.Context, registry int64, name, password string, expires time.Time) (meta.Secret, string, error) {
	if !slices.Contains(TokenPasswords, password) {
		return meta.Secret{}, "", ErrPasswordName
	}
	if expired(expires, a.now()) {
		return meta.Secret{}, "", ErrExpiry
	}
	p, err := a.Token(ctx, registry, name)
	if err != nil {
		return meta.Secret{}, "", err
	}
	plain := generate()
	secret := newSecret(password, hashGenerated(plain), a.now())
	secret.Expires = expires
	return secret, plain, a.edit(ctx, registry, p.ID, func(p *meta.Principal) error {
		putSecret(p, secret)
		return nil
	})
}

// putSecret gives a principal a secret in place of the one of its name.
func putSecret(p *meta.Principal, secret meta.Secret) {
	p.Secrets = slices.DeleteFunc(p.Secrets, func(s meta.Secret) bool { return s.Name == secret.Name })
	p.Secrets = append(p.Secrets, secret)
}

// DeletePassword takes passwords from a token. ErrNoPrincipal, ErrPasswordName,
// ErrNoSecret if it has none of them.
func (a *Authenticator) DeletePassword(ctx context.Context, registry int64, name string, passwords ...string) error {
	for _, password := range passwords {
		if !slices.Contains(TokenPasswords, password) {
			return ErrPasswordName
		}
	}
	p, err := a.Token(ctx, registry, name)
	if err != nil {
		return err
	}
	return a.edit(ctx, registry, p.ID, func(p *meta.Principal) error {
		return dropSecrets(p, func(s meta.Secret) bool { return slices.Contains(passwords, s.Name) })
	})
}

// ScopeMap returns a scope map, also one that every registry has.
// ErrNoScopeMap.
func (a *Authenticator) ScopeMap(ctx context.Context, registry int64, name string) (meta.ScopeMap, error) {
	for _, b := range builtinScopeMaps(registry) {
		if b.Name == name {
			return b, nil
		}
	}
	m, ok, err := a.store.ScopeMap(ctx, registry, name)
	if err == nil && !ok {
		err = ErrNoScopeMap
	}
	return m, err
}

func builtinScopeMaps(registry int64) []meta.ScopeMap {
	var out []meta.ScopeMap
	for _, b := range authz.BuiltinScopeMaps() {
		out = append(out, meta.ScopeMap{Registry: registry, Name: b.Name, Description: b.Description, Actions: b.Actions})
	}
	return out
}

// ScopeMaps lists at most n scope maps after a name, by name; those that every
// registry has come last.
func (a *Authenticator) ScopeMaps(ctx context.Context, registry int64, after string, n int) ([]meta.ScopeMap, error) {
	var out []meta.ScopeMap
	if !authz.IsBuiltinScopeMap(after) {
		var err error
		if out, err = a.store.ScopeMaps(ctx, registry, after, n); err != nil {
			return nil, err
		}
		after = ""
	}
	for _, b := range builtinScopeMaps(registry) {
		if len(out) < n && b.Name > after {
			out = append(out, b)
		}
	}
	return out, nil
}

// CreateScopeMap makes a scope map of actions that authz.CheckScopeMapAction
// takes. ErrTokenName, ErrNameTaken.
func (a *Authenticator) CreateScopeMap(ctx context.Context, m meta.ScopeMap) (meta.ScopeMap, error) {
	if !tokenName.MatchString(m.Name) {
		return m, ErrTokenName
	}
	m.Created = a.now()
	ok, err := a.store.CreateScopeMap(ctx, m)
	if err == nil && !ok {
		err = ErrNameTaken
	}
	return m, err
}

// EditScopeMap changes a scope map; what its tokens may do changes with the next
// request. ErrNoScopeMap, ErrBuiltinScopeMap.
func (a *Authenticator) EditScopeMap(ctx context.Context, registry int64, name string, edit func(*meta.ScopeMap) error) error {
	if authz.IsBuiltinScopeMap(name) {
		return ErrBuiltinScopeMap
	}
	ok, err := a.store.EditScopeMap(ctx, registry, name, edit)
	a.people.allChanged()
	if err == nil && !ok {
		err = ErrNoScopeMap
	}
	return err
}

// DeleteScopeMap removes a scope map that no token has. ErrNoScopeMap,
// ErrScopeMapUsed, ErrBuiltinScopeMap.
func (a *Authenticator) DeleteScopeMap(ctx context.Context, registry int64, name string) error {
	if authz.IsBuiltinScopeMap(name) {
		return ErrBuiltinScopeMap
	}
	deleted, used, err := a.store.DeleteScopeMap(ctx, registry, name)
	switch {
	case err != nil:
		return err
	case used:
		return ErrScopeMapUsed
	case !deleted:
		return ErrNoScopeMap
	}
	return nil
}
