// Package hosting knows the registries that a server hosts: which one a host
// names, and how they come and go. It knows no HTTP and nothing of what is in
// them.
package hosting

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
)

// Errors of making and deleting registries.
var (
	// ErrUnknown: there is no registry of that name. A host that names one is
	// refused with it, and never answered by another.
	ErrUnknown = orlop.ErrNameUnknown.With("registry name not known to this server")
	// ErrName: the name is not one for a registry.
	ErrName = errors.New("a registry name has 5 to 50 lower-case letters and digits")
	// ErrTaken: another registry has the name.
	ErrTaken = errors.New("another registry has the name")
	// ErrDefault: the default registry cannot be deleted.
	ErrDefault = errors.New("the default registry cannot be deleted")
	// ErrNoDomain: no host could name a further registry.
	ErrNoDomain = errors.New("registries are told apart by the host: start orlopd with --domain DOMAIN, and reach them at NAME.DOMAIN")
)

// sharedTTL is how long a name is taken to lead where it led, where other
// processes may delete registries.
const sharedTTL = time.Second

// Store keeps the registries.
type Store interface {
	// Registries lists all by name.
	Registries(ctx context.Context) ([]meta.Registry, error)
	RegistryNamed(ctx context.Context, name string) (meta.Registry, bool, error)
	// CreateRegistry is false if the name is taken.
	CreateRegistry(ctx context.Context, name string) (meta.Registry, bool, error)
	// RenameRegistry is false if the name is taken.
	RenameRegistry(ctx context.Context, id int64, name string) (bool, error)
	// DeleteRegistry is false if there is none.
	DeleteRegistry(ctx context.Context, id int64) (bool, error)
	// Shared tells whether other processes make and delete registries too.
	Shared() bool
}

// Options are what the server says of its hosts.
type Options struct {
	// Domains are those whose names are registries, NAME.DOMAIN; without any
	// there is the default registry alone.
	Domains []string
	// Name is that of the default registry, which all other hosts lead to; "":
	// the one that it has.
	Name string
	// Deleted is called after a registry was deleted; may be nil.
	Deleted func(id int64)
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Registries are all that a server hosts. Its methods may be called
// concurrently.
type Registries struct {
	store   Store
	o       Options
	domains []string // with a dot before, the longest first

	changing sync.Mutex // held while a registry is made or deleted by us

	mu     sync.RWMutex
	byName map[string]known // all there are, unless the store is shared
	home   string           // name of the default registry
}

type known struct {
	meta.Registry
	read time.Time
}

// New reads the registries and gives the default one its name.
func New(ctx context.Context, store Store, o Options) (*Registries, error) {
	if o.Deleted == nil {
		o.Deleted = func(int64) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Registries{store: store, o: o, byName: map[string]known{}}
	for _, d := range o.Domains {
		r.domains = append(r.domains, "."+d)
	}
	slices.SortFunc(r.domains, func(a, b string) int { return len(b) - len(a) })
	if err := r.nameDefault(ctx); err != nil {
		return nil, err
	}
	all, err := store.Registries(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the registries: %w", err)
	}
	for _, reg := range all {
		r.remember(reg)
	}
	return r, nil
}

func (r *Registries) nameDefault(ctx context.Context) error {
	if r.o.Name == "" {
		return nil
	}
	if !validName(r.o.Name) {
		return ErrName
	}
	ok, err := r.store.RenameRegistry(ctx, meta.DefaultRegistry, r.o.Name)
	if err == nil && !ok {
		err = fmt.Errorf("%w, or a user of the default registry has: %s", ErrTaken, r.o.Name)
	}
	if err != nil {
		return fmt.Errorf("name the default registry: %w", err)
	}
	return nil
}

func (r *Registries) remember(reg meta.Registry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byName[reg.Name] = known{reg, r.o.Now()}
	if reg.ID == meta.DefaultRegistry {
		r.home = reg.Name
	}
}

func (r *Registries) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byName, name)
}

// registryName is what clients of Azure take, in lower case as hosts are.
var registryName = regexp.MustCompile(`^[a-z0-9]{5,50}$`)

func validName(name string) bool { return registryName.MatchString(name) }

// Resolve returns the id of the registry behind a host, which is in lower case
// and without a port: the one that NAME.DOMAIN names, ErrUnknown if there is
// none, and the default registry at every host that is under no domain.
func (r *Registries) Resolve(ctx context.Context, host string) (int64, error) {
	name, _, names := r.split(host)
	if !names {
		return meta.DefaultRegistry, nil
	}
	reg, err := r.Named(ctx, name)
	return reg.ID, err
}

// split cuts a host into the name of a registry and the domain with a dot before
// it. names is false for a host that names none: a domain itself, and what is
// under no domain; that has no domain either.
func (r *Registries) split(host string) (name, domain string, names bool) {
	host = strings.TrimSuffix(host, ".") // of the root
	for _, d := range r.domains {
		if host == d[1:] {
			return "", d, false
		}
		if name, ok := strings.CutSuffix(host, d); ok {
			return name, d, true
		}
	}
	return "", "", false
}

// Named returns a registry by its name. ErrUnknown if there is none.
func (r *Registries) Named(ctx context.Context, name string) (meta.Registry, error) {
	r.mu.RLock()
	reg, ok := r.byName[name]
	r.mu.RUnlock()
	shared := r.store.Shared()
	switch {
	case ok && (!shared || reg.ID == meta.DefaultRegistry || r.o.Now().Sub(reg.read) < sharedTTL):
		return reg.Registry, nil
	case !shared || !validName(name):
		return meta.Registry{}, ErrUnknown
	}
	found, ok, err := r.store.RegistryNamed(ctx, name)
	if err != nil {
		return meta.Registry{}, err
	}
	if !ok {
		r.forget(name)
		return meta.Registry{}, ErrUnknown
	}
	r.remember(found)
	return found, nil
}

// List returns all registries by name.
func (r *Registries) List(ctx context.Context) ([]meta.Registry, error) {
	return r.store.Registries(ctx)
}

// Create makes an empty registry. ErrName, ErrTaken, ErrNoDomain.
func (r *Registries) Create(ctx context.Context, name string) (meta.Registry, error) {
	switch {
	case len(r.domains) == 0:
		return meta.Registry{}, ErrNoDomain
	case !validName(name):
		return meta.Registry{}, ErrName
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	reg, ok, err := r.store.CreateRegistry(ctx, name)
	if err == nil && !ok {
		err = ErrTaken
	}
	if err != nil {
		return meta.Registry{}, err
	}
	r.remember(reg)
	return reg, nil
}

// Delete deletes a registry with everything in it, for good: from the next
// request on it is not there, and what it holds goes in the background.
// ErrUnknown, ErrDefault.
func (r *Registries) Delete(ctx context.Context, name string) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	reg, err := r.Named(ctx, name)
	switch {
	case err != nil:
		return err
	case reg.ID == meta.DefaultRegistry:
		return ErrDefault
	}
	ok, err := r.store.DeleteRegistry(ctx, reg.ID)
	if err != nil {
		return err
	}
	r.forget(name)
	if !ok {
		return ErrUnknown
	}
	r.o.Deleted(reg.ID)
	return nil
}

// Possible tells whether there can be further registries.
func (r *Registries) Possible() bool { return len(r.domains) > 0 }

// Home is the name of the default registry.
func (r *Registries) Home() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.home
}

// LoginServer is HOST[:PORT] of a registry, for a client that reached the server
// at the host[:port] at: under the same domain, or else under the first. It is
// "" for a registry that no host names.
func (r *Registries) LoginServer(reg meta.Registry, at string) string {
	host, port := at, ""
	if h, p, err := net.SplitHostPort(at); err == nil {
		host, port = h, ":"+p
	}
	_, domain, _ := r.split(host)
	switch {
	case domain == "" && reg.ID == meta.DefaultRegistry:
		return at
	case domain == "" && len(r.o.Domains) == 0:
		return ""
	case domain == "":
		domain = "." + r.o.Domains[0]
	}
	return reg.Name + domain + port
}
