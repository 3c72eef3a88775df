package authn

import (
	"context"

	"github.com/orlop/orlop/internal/meta"
)

// Directory reads principals. The boolean tells whether there is one.
type Directory interface {
	Principal(ctx context.Context, registry int64, id string) (meta.Principal, bool, error)
	PrincipalNamed(ctx context.Context, registry int64, name string) (meta.Principal, bool, error)
	// AnonymousPull tells whether anybody may pull from a repository. It is
	// false for one that does not exist.
	AnonymousPull(ctx context.Context, registry int64, repo string) (bool, error)
}

// Editor changes principals. What it reports as done is durable.
type Editor interface {
	// CreatePrincipal is false if the name is taken.
	CreatePrincipal(ctx context.Context, p meta.Principal) (bool, error)
	// ReplaceSecrets is false if there is no such principal.
	ReplaceSecrets(ctx context.Context, registry int64, id string, secrets []meta.Secret) (bool, error)
	// DeletePrincipal is false if there is none of that kind.
	DeletePrincipal(ctx context.Context, registry int64, kind meta.Kind, id string) (bool, error)
	// Principals lists at most n after an id, by id.
	Principals(ctx context.Context, registry int64, kind meta.Kind, after string, n int) ([]meta.Principal, error)
}

// KeyStore keeps the server's own keys.
type KeyStore interface {
	// ServerKeys lists the keys of a purpose, the newest first.
	ServerKeys(ctx context.Context, purpose string) ([]meta.ServerKey, error)
	AddServerKey(ctx context.Context, k meta.ServerKey) error
	// EnsureServerKey stores the key unless its purpose has one.
	EnsureServerKey(ctx context.Context, k meta.ServerKey) error
}

// Store is what an Authenticator needs of the metadata store.
type Store interface {
	Directory
	Editor
	KeyStore
}
