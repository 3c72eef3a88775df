package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/internal/registries"
	"github.com/orlop/orlop/ref"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

type loginOptions struct {
	commonOptions
	remoteOptions

	host      string
	manage    bool // also for the acr commands
	oidcStdin bool
}

func newLoginCommand(env *Env) *cobra.Command {
	var opts loginOptions
	cmd := &cobra.Command{
		Use:   "login [flags] <registry>",
		Short: "Sign in to a registry",
		Long: `Sign in to a registry.

The credential is checked with the registry and then kept where Docker keeps
it, so that other tools find it too. The registry becomes the one that --name
of the acr commands is resolved with.`,
		Example: examples(env, `
Sign in with user name and password, asked for:
  orlop login localhost:5000

Sign in with a password from standard input:
  orlop login -u username --password-stdin localhost:5000

Sign in with an identity token from standard input:
  orlop login --identity-token-stdin localhost:5000

Sign in with the token that an issuer gave a job, if the registry trusts it:
  orlop login --oidc-token-stdin localhost:5000

Sign in to a registry with a certificate of its own authority:
  orlop login --ca-file ca.pem localhost:5443`),
		Args: exactArgs(1, "the registry to sign in to"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.host = args[0]
			return runLogin(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.remoteOptions)
	addLegacyLogin(cmd, &opts.remoteOptions)
	cmd.Flags().BoolVar(&opts.oidcStdin, "oidc-token-stdin", false, "read a token of an OpenID Connect issuer from standard input and exchange it for one of the registry")
	return cmd
}

// addLegacyLogin adds the flags that login and logout had in 2020.
func addLegacyLogin(cmd *cobra.Command, o *remoteOptions) {
	fs := cmd.Flags()
	fs.StringArrayVar(&o.registryConfig, "config", nil, "as --registry-config")
	fs.BoolVarP(&o.anyCert, "allow-insecure", "k", false, "accept any TLS certificate")
	fs.MarkHidden("config")
	fs.MarkHidden("allow-insecure")
}

func runLogin(ctx context.Context, env *Env, opts *loginOptions) error {
	host, err := registryHost(opts.host)
	if err != nil {
		return err
	}
	cred, err := opts.loginCredential(ctx, env, host)
	if err != nil {
		return err
	}
	if err := opts.check(ctx, env, host, cred); err != nil {
		return err
	}
	if err := opts.store(ctx, env, host, cred); err != nil {
		return err
	}
	forgetTokens(env, &opts.commonOptions, host) // of who was signed in before
	if err := rememberLogin(env, host); err != nil {
		return err
	}
	out := output.NewPrinter(env.Stdout)
	out.Line("Login Succeeded")
	return out.Err()
}

// registryHost returns the host[:port] of a registry, which people also write as
// a URL.
func registryHost(typed string) (string, error) {
	host := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(typed, "https://"), "http://"), "/")
	if err := ref.ValidateRegistry(host); err != nil {
		return "", withHint(&usageError{err: err}, "give the registry as HOST or HOST:PORT")
	}
	return host, nil
}

// check asks the registry whether it accepts the credential.
func (o *loginOptions) check(ctx context.Context, env *Env, host string, cred auth.Credential) error {
	reg, err := o.openHost(ctx, env, host, cred)
	if err != nil {
		return err
	}
	if err := reg.Ping(ctx); err != nil {
		return loginFailure(host, err)
	}
	return nil
}

// openHost opens the registry at a host, with a credential that is not stored
// yet.
func (o *loginOptions) openHost(ctx context.Context, env *Env, host string, cred auth.Credential) (*remote.Registry, error) {
	source := registries.Source{Host: host, Insecure: o.anyCert}
	r, err := route(env, parsedRef{host: host})
	if err != nil {
		return nil, err
	}
	if r != nil {
		source.Insecure = source.Insecure || r.Named.Insecure
	}
	named := connection{host: host, cred: auth.Static(cred)}
	return o.openEndpoint(ctx, env, &o.commonOptions, source, named)
}

// store keeps a credential that the registry has accepted.
func (o *loginOptions) store(ctx context.Context, env *Env, host string, cred auth.Credential) error {
	store, err := openStore(o.registryConfig)
	if err == nil {
		err = store.Put(ctx, host, cred)
	}
	if err == nil && o.manage {
		if store, err = openACRStore(env); err == nil {
			err = store.Put(ctx, host, cred)
		}
	}
	if err != nil {
		return fmt.Errorf("store the credential of %s: %w", host, err)
	}
	return nil
}

func loginFailure(host string, err error) error {
	err = about(host, err)
	if errors.Is(err, orlop.ErrUnauthorized) || errors.Is(err, orlop.ErrDenied) {
		return withHint(err, "%s does not accept this user name and password; check them, or whether they have expired", host)
	}
	return err
}

// loginCredential returns the credential of the flags, and asks for what is
// missing.
func (o *loginOptions) loginCredential(ctx context.Context, env *Env, host string) (auth.Credential, error) {
	if o.oidcStdin {
		return o.exchange(ctx, env, host)
	}
	secretGiven := o.password != "" || o.identityToken != "" || o.passwordStdin || o.identityTokenStdin
	if !secretGiven {
		if err := o.ask(ctx, env); err != nil {
			return auth.Credential{}, err
		}
	}
	return o.givenCredential(env)
}

// ask asks for user name and password. Without a user name the secret is an
// identity token. Where nobody types, both are lines of standard input.
func (o *loginOptions) ask(ctx context.Context, env *Env) error {
	if o.username == "" {
		fmt.Fprint(env.Stdout, "Username: ")
		line, err := readLine(env.Stdin)
		if err != nil {
			return noAnswer(env, "user name", err)
		}
		o.username = strings.TrimSpace(line)
	}
	prompt := "Password: "
	if o.username == "" {
		prompt = "Token: "
	}
	fmt.Fprint(env.Stdout, prompt)
	secret, err := askSecret(ctx, env)
	if env.StdinTTY {
		fmt.Fprintln(env.Stdout) // the one that was typed is not shown
	}
	if err != nil {
		return noAnswer(env, "password", err)
	}
	if secret == "" {
		return usagef("the password is empty")
	}
	o.password = secret
	return nil
}

// askSecret reads a line, without showing it if someone types.
func askSecret(ctx context.Context, env *Env) (string, error) {
	if !env.StdinTTY {
		return readLine(env.Stdin)
	}
	secret, err := env.ReadSecret(ctx)
	return string(secret), err
}

// noAnswer is the error of a question that nobody answers.
func noAnswer(env *Env, what string, err error) error {
	if err != io.EOF || env.StdinTTY {
		return fmt.Errorf("read the %s: %w", what, err)
	}
	return withHint(usagef("no %s given, and standard input has none", what), "give --username and --password-stdin")
}

// readLine reads one line and not a byte beyond it, so that what follows is
// there for the next reader.
func readLine(r io.Reader) (string, error) {
	var line []byte
	var c [1]byte
	for len(line) < maxSecret {
		if _, err := io.ReadFull(r, c[:]); err != nil {
			if err == io.EOF && len(line) > 0 {
				break
			}
			return "", err
		}
		if c[0] == '\n' {
			break
		}
		line = append(line, c[0])
	}
	return strings.TrimSuffix(string(line), "\r"), nil
}
