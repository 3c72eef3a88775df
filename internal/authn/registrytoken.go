package authn

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orlop/orlop/internal/meta"
)

// Errors of registry tokens.
var (
	// ErrTokenName: the name is not one for a token or a scope map.
	ErrTokenName = errors.New("a name has 5 to 50 letters, digits, - and _, and begins with a letter or digit")
	// ErrPasswordName: a token has two passwords.
	ErrPasswordName = errors.New("a password is password1 or password2")
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
