package authn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/orlop/orlop/internal/meta"
)

// Errors of changing principals.
var (
	// ErrNoPrincipal: there is no such principal.
	ErrNoPrincipal = errors.New("no such principal")
	// ErrNameTaken: another principal has the sign-in name.
	ErrNameTaken = errors.New("name is taken")
	// ErrNoSecret: the principal has no such secret.
	ErrNoSecret = errors.New("no such secret")
	// ErrTooManySecrets: the principal has as many secrets as it may have.
	ErrTooManySecrets = fmt.Errorf("at most %d secrets", maxSecrets)
	// ErrExpiry: a secret would have ended already.
	ErrExpiry = errors.New("the expiry is not in the future")
)

const (
	// secretName is the name of the only secret of a new principal.
	secretName = "password1"
	maxSecrets = 20
)

// CreateServicePrincipal makes an application with one generated secret, which
// is returned and not kept.
func (a *Authenticator) CreateServicePrincipal(ctx context.Context, registry int64, displayName string, roles []meta.RoleAssignment) (meta.Principal, string, error) {
	id, secret := uuid.NewString(), generate()
	p := meta.Principal{
		ID: id, Registry: registry, Kind: meta.KindServicePrincipal, Name: id, DisplayName: displayName, Created: a.now(),
		Secrets: []meta.Secret{newSecret(secretName, hashGenerated(secret), a.now())},
		Roles:   roles,
	}
	if err := a.create(ctx, p); err != nil {
		return meta.Principal{}, "", fmt.Errorf("create service principal: %w", err)
	}
	return p, secret, nil
}

func (a *Authenticator) create(ctx context.Context, p meta.Principal) error {
	ok, err := a.store.CreatePrincipal(ctx, p)
	if err == nil && !ok {
		err = ErrNameTaken
	}
	a.people.changed(p.ID)
	return err
}

// edit changes a principal, which counts from the next request.
func (a *Authenticator) edit(ctx context.Context, registry int64, id string, change func(*meta.Principal) error) error {
	ok, err := a.store.EditPrincipal(ctx, registry, id, change)
	a.people.changed(id)
	if err == nil && !ok {
		err = ErrNoPrincipal
	}
	return err
}

// delete removes a principal of a kind by its sign-in name.
func (a *Authenticator) delete(ctx context.Context, registry int64, kind meta.Kind, name string) error {
	p, err := a.named(ctx, registry, kind, name)
	if err != nil {
		return err
	}
	ok, err := a.store.DeletePrincipal(ctx, registry, kind, p.ID)
	a.people.changed(p.ID)
	if err == nil && !ok {
		err = ErrNoPrincipal
	}
	return err
}

// named returns the principal of a kind and sign-in name; ErrNoPrincipal if
// there is none.
func (a *Authenticator) named(ctx context.Context, registry int64, kind meta.Kind, name string) (meta.Principal, error) {
	p, ok, err := a.store.PrincipalNamed(ctx, registry, name)
	if err == nil && (!ok || p.Kind != kind) {
		err = ErrNoPrincipal
	}
	return p, err
}

// ServicePrincipals lists at most n service principals after an id, by id.
func (a *Authenticator) ServicePrincipals(ctx context.Context, registry int64, after string, n int) ([]meta.Principal, error) {
	return a.store.Principals(ctx, registry, meta.KindServicePrincipal, after, n)
}

// ServicePrincipal returns one; ErrNoPrincipal if there is none.
func (a *Authenticator) ServicePrincipal(ctx context.Context, registry int64, id string) (meta.Principal, error) {
	return a.named(ctx, registry, meta.KindServicePrincipal, id)
}

// DeleteServicePrincipal removes one. Its secret and its tokens are refused
// from the next request. ErrNoPrincipal if there is none.
func (a *Authenticator) DeleteServicePrincipal(ctx context.Context, registry int64, id string) error {
	return a.delete(ctx, registry, meta.KindServicePrincipal, id)
}

// NewSecret describes a secret to be generated. The zero value is one without an
// end that takes the place of all others.
type NewSecret struct {
	Name    string    // for people; "password1" if ""
	Expires time.Time // zero: never
	Append  bool      // keep the others
}

// ResetSecret gives a service principal a new secret, which it returns with the
// plain text. Without Append the others, and the tokens got with them, are
// refused from the next request. ErrNoPrincipal, ErrTooManySecrets, ErrExpiry.
func (a *Authenticator) ResetSecret(ctx context.Context, registry int64, id string, o NewSecret) (meta.Secret, string, error) {
	if _, err := a.ServicePrincipal(ctx, registry, id); err != nil {
		return meta.Secret{}, "", err
	}
	if o.Name == "" {
		o.Name = secretName
	}
	plain := generate()
	secret := newSecret(o.Name, hashGenerated(plain), a.now())
	secret.Expires = o.Expires
	if expired(o.Expires, a.now()) {
		return meta.Secret{}, "", ErrExpiry
	}
	err := a.edit(ctx, registry, id, func(p *meta.Principal) error {
		if !o.Append {
			p.Secrets = nil
		}
		if len(p.Secrets) >= maxSecrets {
			return ErrTooManySecrets
		}
		p.Secrets = append(p.Secrets, secret)
		return nil
	})
	return secret, plain, err
}

// DeleteSecret takes a secret from a service principal. It and the tokens got
// with it are refused from the next request. ErrNoPrincipal, ErrNoSecret.
func (a *Authenticator) DeleteSecret(ctx context.Context, registry int64, id, secret string) error {
	if _, err := a.ServicePrincipal(ctx, registry, id); err != nil {
		return err
	}
	return a.edit(ctx, registry, id, func(p *meta.Principal) error {
		return dropSecrets(p, func(s meta.Secret) bool { return s.ID == secret })
	})
}

// dropSecrets takes those secrets from a principal; ErrNoSecret if there are
// none.
func dropSecrets(p *meta.Principal, which func(meta.Secret) bool) error {
	var kept []meta.Secret
	for _, s := range p.Secrets {
		if !which(s) {
			kept = append(kept, s)
		}
	}
	if len(kept) == len(p.Secrets) {
		return ErrNoSecret
	}
	p.Secrets = kept
	return nil
}

// SetDisabled refuses a user, a service principal or a token, with everything
// it got, from the next request on, or lets it in again. ErrNoPrincipal.
func (a *Authenticator) SetDisabled(ctx context.Context, registry int64, kind meta.Kind, name string, disabled bool) error {
	p, err := a.named(ctx, registry, kind, name)
	if err != nil {
		return err
	}
	return a.edit(ctx, registry, p.ID, func(p *meta.Principal) error {
		p.Disabled = disabled
		return nil
	})
}
