package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/admin"
)

func newServicePrincipalResetCommand(env *Env) *cobra.Command {
	var opts identified
	cmd := &cobra.Command{
		Use:   "reset --id <application id> [flags]",
		Short: "Give a service principal a new secret; the old one ends",
		Example: examples(env, `
Print the new secret alone:
  orlop acr sp credential reset --id 00000000-0000-0000-0000-000000000001 --query password -o tsv`),
		Args: exactArgs(0, "the application id by --id"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServicePrincipalReset(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func runServicePrincipalReset(ctx context.Context, env *Env, opts *identified) error {
	client, host, err := opts.client(env)
	if err != nil {
		return err
	}
	cred, err := client.ResetCredential(ctx, opts.id, admin.NewSecret{})
	if err != nil {
		return about(host, err)
	}
	return opts.write(env, cred)
}
