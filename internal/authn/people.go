package authn

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

const (
	// identityTTL is how long a principal is taken to be as it was read, for
	// changes that another process makes. Our own count at once.
	identityTTL = time.Minute
	maxPeople   = 4096
)

// current tells whether the identity need not be read again.
func (id *Identity) current(now time.Time) bool {
	return !id.stale.Load() && now.Sub(id.loaded) < identityTTL
}

// people remembers principals as identities.
type people struct {
	dir directory
	now func() time.Time

	mu      sync.RWMutex
	byID    map[person]*Identity
	changes uint64 // how often changed was called
	// followed is the version of the store's identities that was last seen.
	followed int64
}

// person is a principal as a registry sees it: an owner of the server is in
// several.
type person struct {
	registry int64
	id       string
}

func newPeople(dir directory, now func() time.Time) *people {
	return &people{dir: dir, now: now, byID: map[person]*Identity{}}
}

// get returns a principal; nil if there is none that may sign in.
func (p *people) get(ctx context.Context, registry int64, id string) (*Identity, error) {
	known, seen := p.known(registry, id)
	if known != nil && known.current(p.now()) {
		return known, nil
	}
	found, ok, err := p.dir.Principal(ctx, registry, id)
	if err != nil || !ok || found.Disabled {
		return nil, err
	}
	return p.remember(found, seen), nil
}

// version is what remember wants to know: how often principals had changed
// before this one was read.
func (p *people) version() uint64 {
	_, seen := p.known(Home, "")
	return seen
}

func (p *people) known(registry int64, id string) (*Identity, uint64) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.byID[person{registry, id}], p.changes
}

// remember makes an identity of a principal that was read when changes was
// seen. If one has changed since, it may be this, and the identity is good for
// one request only.
func (p *people) remember(found meta.Principal, seen uint64) *Identity {
	id := newIdentity(found, p.now())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changes != seen {
		id.stale.Store(true)
		return id
	}
	who := person{id.Registry, id.ID}
	p.forget(who)
	if len(p.byID) >= maxPeople {
		for other := range p.byID {
			p.forget(other)
			break
		}
	}
	p.byID[who] = id
	return id
}

// changed makes everybody who has the identity read it again, in whatever
// registry.
func (p *people) changed(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes++
	for who := range p.byID {
		if who.id == id {
			p.forget(who)
		}
	}
}

// allChanged is changed for everybody.
func (p *people) allChanged() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgetAll()
}

// forgetAll is allChanged for a caller that holds mu.
func (p *people) forgetAll() {
	p.changes++
	for who := range p.byID {
		p.forget(who)
	}
}

// forget drops an identity, also for the sessions that hold it. The caller
// holds mu.
func (p *people) forget(who person) {
	if old := p.byID[who]; old != nil {
		old.stale.Store(true)
		delete(p.byID, who)
	}
}

func newIdentity(p meta.Principal, now time.Time) *Identity {
	id := &Identity{
		ID: p.ID, Name: p.Name, Kind: p.Kind, Registry: p.Registry,
		Grants: grants(p), RepositoryRoles: p.RepositoryRoles, secrets: slices.Clone(p.Secrets), loaded: now,
	}
	for _, r := range p.Roles {
		id.Roles = append(id.Roles, r.Role)
	}
	slices.Sort(id.Roles)
	id.Roles = slices.Compact(id.Roles)
	for i := range id.secrets {
		id.secrets[i].Hash = nil
	}
	return id
}

// grants compiles what a principal may do, which its kind decides by.
func grants(p meta.Principal) *authz.Grants {
	switch p.Kind {
	case meta.KindToken:
		return authz.ForScopeMap(p.ScopeMap, p.Actions)
	case meta.KindAdminUser:
		return authz.AllContent()
	default:
		g := authz.ForRoles(p.Roles, p.RepositoryRoles)
		if ownsServer(p) {
			g = authz.OwningServer(g)
		}
		return g
	}
}
