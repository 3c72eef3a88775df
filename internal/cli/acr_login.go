package cli

import "github.com/spf13/cobra"

type acrLoginOptions struct {
	commonOptions
	registryOptions
}

func newACRLoginCommand(env *Env) *cobra.Command {
	var opts acrLoginOptions
	cmd := &cobra.Command{
		Use:   "login --name <registry> [flags]",
		Short: "Sign in to a registry by its name, to manage it",
		Long: `Sign in to a registry by its name, to manage it.

The account is the one of "login" from now on, and the one of the acr commands
until the next "acr login" or "logout".`,
		Example: examples(env, `
Sign in to the registry myregistry of the last used login server suffix:
  orlop acr login --name myregistry --username ci --password-stdin

Sign in to a registry by its full name:
  orlop acr login --name myregistry.example:5000`),
		Args: exactArgs(0, "the registry by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			host, err := loginServer(env, opts.registryName, opts.suffix)
			if err != nil {
				return err
			}
			return runLogin(cmd.Context(), env, &loginOptions{
				commonOptions: opts.commonOptions,
				remoteOptions: opts.remoteOptions,
				host:          host,
				manage:        true,
			})
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.registryOptions)
	return cmd
}
