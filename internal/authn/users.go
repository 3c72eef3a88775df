package authn

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/google/uuid"

	"github.com/orlop/orlop/internal/meta"
)

// Errors of making users and setting their passwords.
var (
	// ErrUserName: the name is not one for a user.
	ErrUserName = errors.New("a user name has 1 to 64 letters, digits and . _ - @, begins with a letter, and is no UUID")
	// ErrWeakPassword: the password is too short or too long.
	ErrWeakPassword = fmt.Errorf("a password has %d to %d bytes", minPassword, maxPassword)
)

const (
	minPassword = 10
	maxPassword = 1024
)

// userName keeps users apart from applications, whose names are UUIDs.
var userName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9._@-]{0,63}$`)

// CreateUser makes a person who signs in by name. Without a password one is
// generated and returned; a password given is hashed as people's passwords
// are. ErrUserName, ErrWeakPassword, ErrNameTaken.
func (a *Authenticator) CreateUser(ctx context.Context, registry int64, name, password string, roles []meta.RoleAssignment) (p meta.Principal, generated string, err error) {
	if !userName.MatchString(name) || uuid.Validate(name) == nil {
		return meta.Principal{}, "", ErrUserName
	}
	hash, generated, err := userSecret(password)
	if err != nil {
		return meta.Principal{}, "", err
	}
	p = meta.Principal{
		ID: uuid.NewString(), Registry: registry, Kind: meta.KindUser, Name: name, DisplayName: name, Created: a.now(),
		Secrets: []meta.Secret{newSecret(secretName, hash, a.now())},
		Roles:   roles,
	}
	if err := a.create(ctx, p); err != nil {
		return meta.Principal{}, "", fmt.Errorf("create user: %w", err)
	}
	return p, generated, nil
}

// userSecret hashes a password, or makes one if there is none.
func userSecret(password string) (hash []byte, generated string, err error) {
	if password == "" {
		generated = generate()
		return hashGenerated(generated), generated, nil
	}
	if len(password) < minPassword || len(password) > maxPassword {
		return nil, "", ErrWeakPassword
	}
	return hashHuman(password), "", nil
}

// Users lists at most n users after a name, by name.
func (a *Authenticator) Users(ctx context.Context, registry int64, after string, n int) ([]meta.Principal, error) {
	return a.store.Principals(ctx, registry, meta.KindUser, after, n)
}

// User returns a user; ErrNoPrincipal if there is none of that name.
func (a *Authenticator) User(ctx context.Context, registry int64, name string) (meta.Principal, error) {
	return a.named(ctx, registry, meta.KindUser, name)
}

// DeleteUser removes a user, whose password and tokens are refused from the
// next request. ErrNoPrincipal if there is none of that name.
func (a *Authenticator) DeleteUser(ctx context.Context, registry int64, name string) error {
	return a.delete(ctx, registry, meta.KindUser, name)
}

// SetPassword replaces a user's password, by a generated one if password is "".
// Tokens got with the old one are refused from the next request.
// ErrNoPrincipal, ErrWeakPassword.
func (a *Authenticator) SetPassword(ctx context.Context, registry int64, name, password string) (generated string, err error) {
	p, err := a.User(ctx, registry, name)
	if err != nil {
		return "", err
	}
	hash, generated, err := userSecret(password)
	if err != nil {
		return "", err
	}
	return generated, a.edit(ctx, registry, p.ID, func(p *meta.Principal) error {
		p.Secrets = []meta.Secret{newSecret(secretName, hash, a.now())}
		return nil
	})
}
