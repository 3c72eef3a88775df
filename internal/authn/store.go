package authn

import (
	"context"

	"github.com/orlop/orlop/internal/meta"
)

// Directory reads principals. The boolean tells whether there is one.
type Directory interface {
	Principal(ctx context.Context, registry int64, id string) (meta.Principal, bool, error)
	PrincipalNamed(ctx context.Context, registry int64, name string) (meta.Principal, bool, error)
	// RegistryOf returns the registry of a principal by its id.
	RegistryOf(ctx context.Context, id string) (int64, bool, error)
	// Principals lists at most n after a sign-in name, by name.
	Principals(ctx context.Context, registry int64, kind meta.Kind, after string, n int) ([]meta.Principal, error)
}

// Editor changes principals. What it reports as done is durable.
type Editor interface {
	// CreatePrincipal is false if the name is taken.
	CreatePrincipal(ctx context.Context, p meta.Principal) (bool, error)
	// EditPrincipal is false if there is no such principal. Edits exclude each
	// other; an error of edit undoes it.
	EditPrincipal(ctx context.Context, registry int64, id string, edit func(*meta.Principal) error) (bool, error)
	// DeletePrincipal is false if there is none of that kind.
	DeletePrincipal(ctx context.Context, registry int64, kind meta.Kind, id string) (bool, error)
}

// ScopeMapStore keeps scope maps. The boolean tells whether there is one, and of
// CreateScopeMap whether the name was free.
type ScopeMapStore interface {
	ScopeMap(ctx context.Context, registry int64, name string) (meta.ScopeMap, bool, error)
	// ScopeMaps lists at most n after a name, by name.
	ScopeMaps(ctx context.Context, registry int64, after string, n int) ([]meta.ScopeMap, error)
	CreateScopeMap(ctx context.Context, m meta.ScopeMap) (bool, error)
	EditScopeMap(ctx context.Context, registry int64, name string, edit func(*meta.ScopeMap) error) (bool, error)
	// DeleteScopeMap deletes one that no token has.
	DeleteScopeMap(ctx context.Context, registry int64, name string) (deleted, used bool, err error)
}

// AccessStore keeps how registries and repositories are open.
type AccessStore interface {
	Access(ctx context.Context, registry int64) (meta.Access, error)
	// EditAccess changes it; edits exclude each other.
	EditAccess(ctx context.Context, registry int64, edit func(*meta.Access)) error
	// AnonymousPull tells whether anybody may pull from a repository. It is
	// false for one that does not exist.
	AnonymousPull(ctx context.Context, registry int64, repo string) (bool, error)
	// RepositoryAnonymousPull tells of the repository alone.
	RepositoryAnonymousPull(ctx context.Context, registry int64, repo string) (open, found bool, err error)
	SetRepositoryAnonymousPull(ctx context.Context, registry int64, repo string, open bool) (bool, error)
}

// KeyStore keeps the server's own keys.
type KeyStore interface {
	// ServerKeys lists the keys of a purpose, the newest first.
	ServerKeys(ctx context.Context, purpose string) ([]meta.ServerKey, error)
	AddServerKey(ctx context.Context, k meta.ServerKey) error
	// EnsureServerKey stores the key unless its purpose has one.
	EnsureServerKey(ctx context.Context, k meta.ServerKey) error
}

// Sharing tells of changes that other processes make.
type Sharing interface {
	// Shared tells whether there may be other processes.
	Shared() bool
	// IdentityVersion grows with every change of what the other interfaces here
	// store, by whichever process.
	IdentityVersion(ctx context.Context) (int64, error)
}

// Store is what an Authenticator needs of the metadata store.
type Store interface {
	Sharing
	Directory
	Editor
	ScopeMapStore
	AccessStore
	KeyStore
}
