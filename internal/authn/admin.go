package authn

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// adminName is the sign-in name of the user that the first start makes.
const adminName = "admin"

// EnsureAdmin makes the user admin, Owner of the default registry, unless there
// is one. The registry must exist. Without a password it generates one for a
// new admin and returns it, to be shown once.
//
// A password that differs from the one in force replaces it, so that a lost one
// is no disaster: whoever starts the server owns it. That is done before the
// next credential is looked at, and not now: a password is slow to hash, and a
// start shall not wait for it.
func (a *Authenticator) EnsureAdmin(ctx context.Context, password string) (generated string, err error) {
	if password != "" {
		a.adminPassword.Store(&password)
		a.sessions.clear()
		return "", nil
	}
	_, ok, err := a.store.PrincipalNamed(ctx, meta.DefaultRegistry, adminName)
	if err != nil {
		return "", fmt.Errorf("look for the admin: %w", err)
	}
	if ok {
		return "", nil
	}
	generated = generate()
	err = a.createAdmin(ctx, newSecret(secretName, hashGenerated(generated), a.now()))
	if errors.Is(err, ErrNameTaken) {
		return "", nil // another node has made it just now, and shows its password
	}
	return generated, err
}

// settle puts the password of EnsureAdmin in force, if that is still to be done.
func (a *Authenticator) settle(ctx context.Context) error {
	if a.adminPassword.Load() == nil {
		return nil
	}
	a.settling.Lock()
	defer a.settling.Unlock()
	password := a.adminPassword.Load()
	if password == nil {
		return nil // another request has done it
	}
	if err := a.setAdminPassword(ctx, *password); err != nil {
		return err
	}
	a.adminPassword.CompareAndSwap(password, nil)
	return nil
}

func (a *Authenticator) setAdminPassword(ctx context.Context, password string) error {
	p, ok, err := a.store.PrincipalNamed(ctx, meta.DefaultRegistry, adminName)
	if err != nil {
		return fmt.Errorf("look for the admin: %w", err)
	}
	for _, s := range p.Secrets {
		if !expired(s.Expires, a.now()) && (matchGenerated(s.Hash, password) || matchHuman(s.Hash, password)) {
			a.proven.Store(a.prove(s.ID, password))
			return nil
		}
	}
	secret := newSecret(secretName, hashHuman(password), a.now())
	if !ok {
		err = a.createAdmin(ctx, secret)
		if errors.Is(err, ErrNameTaken) {
			return a.setAdminPassword(ctx, password) // another node has made it just now
		}
	} else {
		err = a.edit(ctx, p.Registry, p.ID, func(p *meta.Principal) error {
			p.Disabled, p.Secrets = false, []meta.Secret{secret}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("set the admin's password: %w", err)
	}
	a.proven.Store(a.prove(secret.ID, password))
	return nil
}

// proven stands for a password that was hashed when it was put in force: the
// first sign-in with it, which is often what a start is waited for by, need not
// hash it again.
type proven struct {
	secret string // id
	sum    [sha256.Size]byte
}

func (a *Authenticator) prove(secret, password string) *proven {
	return &proven{secret: secret, sum: sha256.Sum256(append(a.salt[:], password...))}
}

// isProven tells whether a password is the one of the secret, as far as that is
// known without hashing.
func (a *Authenticator) isProven(secret *meta.Secret, password string) bool {
	known := a.proven.Load()
	if known == nil || secret == nil || known.secret != secret.ID {
		return false
	}
	sum := a.prove(secret.ID, password).sum
	return subtle.ConstantTimeCompare(sum[:], known.sum[:]) == 1
}

func (a *Authenticator) createAdmin(ctx context.Context, secret meta.Secret) error {
	err := a.create(ctx, meta.Principal{
		ID: uuid.NewString(), Registry: meta.DefaultRegistry, Kind: meta.KindAdmin, Name: adminName, DisplayName: adminName, Created: a.now(),
		Secrets: []meta.Secret{secret},
		Roles:   []meta.RoleAssignment{{Role: authz.Owner}},
	})
	if err != nil {
		return fmt.Errorf("make the admin: %w", err)
	}
	return nil
}
