package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/admin"
)

func newServicePrincipalListCommand(env *Env) *cobra.Command {
	var opts managementOptions
	cmd := &cobra.Command{
		Use:   "list [flags]",
		Short: "List the service principals and their roles",
		Example: examples(env, `
List the names of the service principals:
  orlop acr sp list --query '[].displayName' --output tsv`),
		Args: exactArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServicePrincipalList(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func runServicePrincipalList(ctx context.Context, env *Env, opts *managementOptions) error {
	client, host, err := opts.client(env)
	if err != nil {
		return err
	}
	all := []admin.ServicePrincipal{}
	for p, err := range client.ServicePrincipals(ctx) {
		if err != nil {
			return about(host, err)
		}
		all = append(all, p)
	}
	return opts.write(env, all)
}
