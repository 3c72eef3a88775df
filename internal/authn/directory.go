package authn

import (
	"context"
	"slices"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// Home, in place of a registry's id, is the registry that a principal belongs
// to.
const Home int64 = 0

// directory knows who may sign in at a registry: its own principals, and the
// owners of the server. These are the Owners of the default registry, and Owners
// of every other.
type directory struct {
	store interface {
		Directory
		Access(ctx context.Context, registry int64) (meta.Access, error)
	}
}

// Principal returns a principal by its id.
func (d directory) Principal(ctx context.Context, registry int64, id string) (meta.Principal, bool, error) {
	return d.find(ctx, registry, id, d.store.Principal)
}

// PrincipalNamed returns a principal by its sign-in name. One of the registry
// itself comes before an owner of the same name.
func (d directory) PrincipalNamed(ctx context.Context, registry int64, name string) (meta.Principal, bool, error) {
	return d.find(ctx, registry, name, d.store.PrincipalNamed)
}

func (d directory) find(ctx context.Context, registry int64, key string,
	lookUp func(ctx context.Context, registry int64, key string) (meta.Principal, bool, error),
) (meta.Principal, bool, error) {
	p, ok, err := lookUp(ctx, registry, key)
	if ok || err != nil || registry == meta.DefaultRegistry {
		return p, ok, err
	}
	if p, ok, err = lookUp(ctx, meta.DefaultRegistry, key); err != nil || !ok || !ownsServer(p) {
		return meta.Principal{}, false, err
	}
	access, err := d.store.Access(ctx, registry)
	p.Registry, p.RepositoryRoles = registry, access.RepositoryRoles
	p.Roles = []meta.RoleAssignment{ownerOfAll}
	p.OwnsServer = true
	return p, err == nil, err
}

var ownerOfAll = meta.RoleAssignment{Role: authz.Owner}

// ownsServer tells whether a principal is an owner of the server.
func ownsServer(p meta.Principal) bool {
	if p.OwnsServer {
		return true
	}
	return p.Registry == meta.DefaultRegistry && p.Kind != meta.KindToken && p.Kind != meta.KindAdminUser &&
		slices.Contains(p.Roles, ownerOfAll)
}

// RegistryOf returns the registry that a principal belongs to, by its id; Home
// if there is no such principal.
func (a *Authenticator) RegistryOf(ctx context.Context, id string) (int64, error) {
	registry, ok, err := a.store.RegistryOf(ctx, id)
	if err != nil || !ok {
		return Home, err
	}
	return registry, nil
}

// Forget makes everybody's identity be read again at the next request: something
// has changed that is not kept in principals, such as the rules for issuers, or
// that a registry is there.
func (a *Authenticator) Forget() { a.people.allChanged() }
