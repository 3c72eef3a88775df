package cli

import (
	"context"
	"path/filepath"

	"github.com/orlop/orlop/internal/credential"
	"github.com/orlop/orlop/remote/auth"
)

// openACRStore opens the credentials of "acr login". They lie beside orlop's
// configuration and not in Docker's, so that a login to push and pull leaves
// them alone.
func openACRStore(env *Env) (*credential.Store, error) {
	path, err := configPath(env)
	if err != nil {
		return nil, err
	}
	return openStore([]string{filepath.Join(filepath.Dir(path), "acr-credentials.json")})
}

// acrCredential returns the credential of the flags, or else that of
// "acr login", or else that of "login".
func (o *remoteOptions) acrCredential(env *Env) (auth.CredentialFunc, error) {
	fallback, err := o.credentialFunc(env, "")
	if err != nil || o.givesCredential() || len(o.registryConfig) > 0 {
		return fallback, err
	}
	store, err := openACRStore(env)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, host string) (auth.Credential, error) {
		c, err := store.Get(ctx, host, "")
		if err != nil || !c.IsZero() {
			return c, err
		}
		return fallback(ctx, host)
	}, nil
}
