package authn

import (
	"context"
	"errors"

	"github.com/orlop/orlop/internal/meta"
)

// ErrNoRepository: there is no such repository.
var ErrNoRepository = errors.New("no such repository")

// Access returns how a registry is open.
func (a *Authenticator) Access(ctx context.Context, registry int64) (meta.Access, error) {
	return a.store.Access(ctx, registry)
}

// EditAccess changes how a registry is open, from the next request on.
func (a *Authenticator) EditAccess(ctx context.Context, registry int64, edit func(*meta.Access)) error {
	err := a.store.EditAccess(ctx, registry, edit)
	a.people.allChanged()
	return err
}

// RepositoryAnonymousPull tells whether a repository itself is open to anybody.
// ErrNoRepository.
func (a *Authenticator) RepositoryAnonymousPull(ctx context.Context, registry int64, repo string) (bool, error) {
	open, found, err := a.store.RepositoryAnonymousPull(ctx, registry, repo)
	if err == nil && !found {
		err = ErrNoRepository
	}
	return open, err
}

// SetRepositoryAnonymousPull lets anybody pull from a repository, or not.
// ErrNoRepository.
func (a *Authenticator) SetRepositoryAnonymousPull(ctx context.Context, registry int64, repo string, open bool) error {
	found, err := a.store.SetRepositoryAnonymousPull(ctx, registry, repo, open)
	if err == nil && !found {
		err = ErrNoRepository
	}
	return err
}
