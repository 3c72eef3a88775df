package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/internal/credential"
	"github.com/orlop/orlop/remote/auth"
)

// maxSecret is the longest password or token, in bytes, that is read from
// standard input.
const maxSecret = 64 << 10

// credentialFunc returns the credential of the flags if there is one: it wins
// over every store. Otherwise the stores are asked, for a repository, when the
// registry wants to know who asks.
func (o *remoteOptions) credentialFunc(env *Env, repo string) (auth.CredentialFunc, error) {
	c, err := o.givenCredential(env)
	if err != nil {
		return nil, err
	}
	if !c.IsZero() {
		return auth.Static(c), nil
	}
	return o.storedCredential(repo)
}

// storedCredential returns what is stored for a repository.
func (o *remoteOptions) storedCredential(repo string) (auth.CredentialFunc, error) {
	store, err := openStore(o.registryConfig)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, host string) (auth.Credential, error) { return store.Get(ctx, host, repo) }, nil
}

// givesCredential tells whether the flags give a credential, or what was asked
// for in their place. It is known when what is on standard input has been read.
func (o *remoteOptions) givesCredential() bool {
	return o.username != "" || o.password != "" || o.identityToken != ""
}

// givenCredential returns the credential that the flags give, and warns of
// secrets that other users of the machine can see.
func (o *remoteOptions) givenCredential(env *Env) (auth.Credential, error) {
	if err := o.readSecrets(env); err != nil {
		return auth.Credential{}, err
	}
	switch {
	case o.identityToken != "":
		return auth.Credential{RefreshToken: o.identityToken}, nil
	case o.username == "" && o.password != "":
		return auth.Credential{RefreshToken: o.password}, nil
	case o.username != "" && o.password == "":
		return auth.Credential{}, withHint(usagef("--%s needs a password", o.name("username")),
			"give it by --password-stdin, or sign in once: %s login", env.program())
	}
	return auth.Credential{Username: o.username, Password: o.password}, nil
}

// readSecrets reads what the flags say is on standard input.
func (o *remoteOptions) readSecrets(env *Env) (err error) {
	o.warnInsecure(env)
	switch {
	case o.passwordStdin:
		o.password, err = readSecret(env.Stdin)
	case o.identityTokenStdin:
		o.identityToken, err = readSecret(env.Stdin)
	}
	if err != nil {
		return fmt.Errorf("read the secret from standard input: %w", err)
	}
	// What was read counts as given by its flag; standard input is read once.
	o.passwordStdin, o.identityTokenStdin = false, false
	return nil
}

func (o *remoteOptions) warnInsecure(env *Env) {
	for _, flag := range []string{"password", "identity-token"} {
		if o.flags.Changed(o.name(flag)) {
			output.NewPrinter(env.Stderr).Line("WARNING! Using --%[1]s via the CLI is insecure. Use --%[1]s-stdin.", flag)
		}
	}
}

// readSecret reads a secret up to the end of r, and leaves out one line ending.
func readSecret(r io.Reader) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
	if err != nil {
		return "", err
	}
	if len(raw) > maxSecret {
		return "", fmt.Errorf("longer than %d bytes", maxSecret)
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	if s == "" {
		return "", errors.New("it is empty")
	}
	return s, nil
}

// openStore opens the stores of credentials, those of Docker if paths is empty.
func openStore(paths []string) (*credential.Store, error) {
	s, err := credential.Open(paths...)
	if err != nil {
		return nil, fmt.Errorf("open the stored credentials: %w", err)
	}
	return s, nil
}
