package authn

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/orlop/orlop/internal/meta"
)

// Errors of changing principals.
var (
	// ErrNoPrincipal: there is no such principal.
	ErrNoPrincipal = errors.New("no such principal")
	// ErrNameTaken: another principal has the sign-in name.
	ErrNameTaken = errors.New("name is taken")
)

// secretName is the name of the only secret of a new principal.
const secretName = "password1"

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

// ServicePrincipals lists at most n service principals after an id, by id.
func (a *Authenticator) ServicePrincipals(ctx context.Context, registry int64, after string, n int) ([]meta.Principal, error) {
	return a.store.Principals(ctx, registry, meta.KindServicePrincipal, after, n)
}

// ServicePrincipal returns one; ErrNoPrincipal if there is none.
func (a *Authenticator) ServicePrincipal(ctx context.Context, registry int64, id string) (meta.Principal, error) {
	p, ok, err := a.store.Principal(ctx, registry, id)
	if err == nil && (!ok || p.Kind != meta.KindServicePrincipal) {
		err = ErrNoPrincipal
	}
	return p, err
}

// DeleteServicePrincipal removes one. Its secret and its tokens are refused
// from the next request. ErrNoPrincipal if there is none.
func (a *Authenticator) DeleteServicePrincipal(ctx context.Context, registry int64, id string) error {
	ok, err := a.store.DeletePrincipal(ctx, registry, meta.KindServicePrincipal, id)
	a.people.changed(id)
	if err == nil && !ok {
		err = ErrNoPrincipal
	}
	return err
}

// ResetSecret replaces all secrets of a service principal by a new one, which
// it returns. Tokens got with the old ones are refused from the next request.
func (a *Authenticator) ResetSecret(ctx context.Context, registry int64, id string) (string, error) {
	if _, err := a.ServicePrincipal(ctx, registry, id); err != nil {
		return "", err
	}
	secret := generate()
	return secret, a.replace(ctx, registry, id, newSecret(secretName, hashGenerated(secret), a.now()))
}

func (a *Authenticator) replace(ctx context.Context, registry int64, id string, secret meta.Secret) error {
	ok, err := a.store.ReplaceSecrets(ctx, registry, id, []meta.Secret{secret})
	a.people.changed(id)
	if err == nil && !ok {
		err = ErrNoPrincipal
	}
	return err
}
