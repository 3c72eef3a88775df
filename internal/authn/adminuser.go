package authn

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/orlop/orlop/internal/meta"
)

// AdminPasswords are the names of the passwords of the admin user.
var AdminPasswords = []string{"password", "password2"}

// ErrAdminPasswordName: the admin user has two passwords.
var ErrAdminPasswordName = errors.New("a password of the admin user is password or password2")

// AdminUser is the account that ACR calls the admin user: one name, that of the
// registry, and two passwords that whoever manages the registry can look at at
// any time. It may do everything with content and nothing else. It is off until
// it is enabled.
type AdminUser struct {
	Name      string
	Enabled   bool
	Passwords []AdminPassword // none before it was enabled first
}

// AdminPassword is a password in plain text.
type AdminPassword struct{ Name, Value string }

// AdminUser returns the admin user of a registry.
func (a *Authenticator) AdminUser(ctx context.Context, registry int64) (AdminUser, error) {
	p, err := a.adminUser(ctx, registry)
	if err != nil {
		return AdminUser{}, err
	}
	u := AdminUser{Name: p.Name, Enabled: p.ID != "" && !p.Disabled}
	for _, name := range AdminPasswords {
		if i := slices.IndexFunc(p.Secrets, func(s meta.Secret) bool { return s.Name == name }); i >= 0 {
			u.Passwords = append(u.Passwords, AdminPassword{name, a.keys.adminPassword(p.Secrets[i].ID)})
		}
	}
	return u, nil
}

// adminUser returns the principal, without an ID if there is none yet.
func (a *Authenticator) adminUser(ctx context.Context, registry int64) (meta.Principal, error) {
	access, err := a.store.Access(ctx, registry)
	if err != nil {
		return meta.Principal{}, err
	}
	p, err := a.named(ctx, registry, meta.KindAdminUser, access.Name)
	if errors.Is(err, ErrNoPrincipal) {
		return meta.Principal{Name: access.Name}, nil
	}
	return p, err
}

// SetAdminUser enables or disables the admin user. Disabled, its passwords and
// the tokens got with them are refused from the next request on; enabled again,
// it has the same passwords. ErrNameTaken if a user has the registry's name.
func (a *Authenticator) SetAdminUser(ctx context.Context, registry int64, enabled bool) error {
	p, err := a.adminUser(ctx, registry)
	switch {
	case err != nil:
		return err
	case p.ID != "":
		return a.edit(ctx, registry, p.ID, func(p *meta.Principal) error {
			p.Disabled = !enabled
			return nil
		})
	case !enabled:
		return nil
	}
	p = meta.Principal{
		ID: uuid.NewString(), Registry: registry, Kind: meta.KindAdminUser, Name: p.Name, DisplayName: p.Name, Created: a.now(),
		Secrets: []meta.Secret{a.newAdminSecret(AdminPasswords[0]), a.newAdminSecret(AdminPasswords[1])},
	}
	if err := a.create(ctx, p); err != nil {
		return fmt.Errorf("make the admin user: %w", err)
	}
	return nil
}

// RenewAdminPassword replaces one of the two passwords; the other stays good.
// ErrAdminPasswordName; ErrNoPrincipal if the admin user was never enabled.
func (a *Authenticator) RenewAdminPassword(ctx context.Context, registry int64, name string) error {
	if !slices.Contains(AdminPasswords, name) {
		return ErrAdminPasswordName
	}
	p, err := a.adminUser(ctx, registry)
	if err != nil {
		return err
	}
	return a.edit(ctx, registry, p.ID, func(p *meta.Principal) error {
		putSecret(p, a.newAdminSecret(name))
		return nil
	})
}

// newAdminSecret makes a secret whose plain text comes of its id, so that it can
// be shown again and is kept nowhere.
func (a *Authenticator) newAdminSecret(name string) meta.Secret {
	s := newSecret(name, nil, a.now())
	s.Hash = hashGenerated(a.keys.adminPassword(s.ID))
	return s
}

// adminPassword derives the password of a secret of the admin user: who has the
// key has those that sign tokens too.
func (k *keyring) adminPassword(secretID string) string {
	mac := hmac.New(sha256.New, k.admin)
	mac.Write([]byte(secretID))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil))
}

func newAdminKey() (id string, key []byte, err error) {
	key = make([]byte, sha256.Size)
	rand.Read(key)
	return uuid.NewString(), key, nil
}
