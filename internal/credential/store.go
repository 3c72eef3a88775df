package credential

import (
	"context"
	"errors"

	"github.com/orlop/orlop/remote/auth"
)

// Store reads and writes credentials in one or several configuration files.
// Reads fall through the files in order; writes go to the first. It may be used
// concurrently, also by several processes.
type Store struct{ paths []string }

// Open returns the store of the given configuration files. Without any it is
// config.json in $DOCKER_CONFIG, or in .docker of the home directory. A missing
// file is an empty one. So is the null device, which cannot be written.
func Open(paths ...string) (*Store, error) { return nil, errors.ErrUnsupported }

// Get returns the credential for a registry, host[:port] as in a reference. It
// is empty if there is none. It has the shape of auth.CredentialFunc.
func (s *Store) Get(ctx context.Context, host string) (auth.Credential, error) {
	return auth.Credential{}, errors.ErrUnsupported
}

// Put stores the credential for a registry in the first file, or in the helper
// that this file names for it.
func (s *Store) Put(ctx context.Context, host string, c auth.Credential) error {
	return errors.ErrUnsupported
}

// Delete removes the credential for a registry from the first file and its
// helper. Nothing to remove is no error.
func (s *Store) Delete(ctx context.Context, host string) error { return errors.ErrUnsupported }

// Hosts lists the registries with a stored credential, in byte order. If a
// helper cannot be asked, it returns the others and an error.
func (s *Store) Hosts(ctx context.Context) ([]string, error) { return nil, errors.ErrUnsupported }
