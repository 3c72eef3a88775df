package cli

import (
	"context"

	"github.com/spf13/cobra"
)

type acrLoginOptions struct {
	namedOptions
	expose bool
}

func newACRLoginCommand(env *Env) *cobra.Command {
	var opts acrLoginOptions
	cmd := &cobra.Command{
		Use:   "login --name <registry> [flags]",
		Short: "Sign in to a registry by its name, to manage it",
		Long: `Sign in to a registry by its name, to manage it.

The account is the one of "login" from now on, and the one of the acr commands
until the next "acr login" or "logout".

With --expose-token nothing is kept: a token of the account that is signed in is
printed. It serves as the password of the user
00000000-0000-0000-0000-000000000000 until it expires.`,
		Example: examples(env, `
Sign in to the registry myregistry of the last used login server suffix:
  orlop acr login --name myregistry --username ci --password-stdin

Sign in to a registry by its full name:
  orlop acr login --name myregistry.example:5000

Print a token for another program:
  orlop acr login --name myregistry --expose-token --query accessToken -o tsv`),
		Args: exactArgs(0, "the registry by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runACRLogin(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.namedOptions)
	cmd.Flags().BoolVarP(&opts.expose, "expose-token", "t", false, "print a token instead of signing in")
	return cmd
}

func runACRLogin(ctx context.Context, env *Env, opts *acrLoginOptions) error {
	if opts.expose {
		return runExposeToken(ctx, env, opts)
	}
	host, err := loginServer(env, opts.registryName, opts.suffix)
	if err != nil {
		return err
	}
	return runLogin(ctx, env, &loginOptions{
		commonOptions: opts.commonOptions,
		remoteOptions: opts.remoteOptions,
		host:          host,
		manage:        true,
	})
}
