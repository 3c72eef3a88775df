package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/internal/credential"
)

type logoutOptions struct {
	commonOptions
	registryConfig []string

	host string
}

func newLogoutCommand(env *Env) *cobra.Command {
	var opts logoutOptions
	cmd := &cobra.Command{
		Use:   "logout [flags] <registry>",
		Short: "Sign out of a registry",
		Long:  `Sign out of a registry: forget the accounts of "login" and of "acr login".`,
		Example: examples(env, `
Forget the credential of the registry at localhost:5000:
  orlop logout localhost:5000`),
		Args: exactArgs(1, "the registry to sign out of"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.host = args[0]
			return runLogout(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions)
	fs := cmd.Flags()
	fs.StringArrayVarP(&opts.registryConfig, "registry-config", "c", nil, "`FILE` with credentials (default that of Docker)")
	fs.StringArrayVar(&opts.registryConfig, "config", nil, "as --registry-config")
	fs.MarkHidden("config")
	return cmd
}

func runLogout(ctx context.Context, env *Env, opts *logoutOptions) error {
	host, err := registryHost(opts.host)
	if err != nil {
		return err
	}
	store, err := openStore(opts.registryConfig)
	if err != nil {
		return err
	}
	managing, err := openACRStore(env)
	if err != nil {
		return err
	}
	if err := errors.Join(store.Delete(ctx, host), managing.Delete(ctx, host)); err != nil {
		return fmt.Errorf("remove the credentials of %s: %w", host, err)
	}
	forgetTokens(env, &opts.commonOptions, host)
	return warnOfOthers(ctx, env, store, host)
}

// warnOfOthers tells of a credential that is still there, in a file that orlop
// reads and does not write.
func warnOfOthers(ctx context.Context, env *Env, store *credential.Store, host string) error {
	where, err := store.Source(ctx, host)
	if err != nil {
		return err
	}
	if where != "" {
		output.NewPrinter(env.Stderr).Line("WARNING: there is still a credential for %s in %s, of another program", host, where)
	}
	return nil
}
