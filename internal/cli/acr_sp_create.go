package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/admin"
)

type servicePrincipalCreateOptions struct {
	managementOptions
	name         string
	roles        []string
	repositories []string
}

func newServicePrincipalCreateCommand(env *Env) *cobra.Command {
	var opts servicePrincipalCreateOptions
	cmd := &cobra.Command{
		Use:   "create --name <name> --role <role> [flags]",
		Short: "Create a service principal and print its secret",
		Long: `Create a service principal and print its id and its secret in the form of
"az ad sp create-for-rbac". The secret is shown this once.`,
		Example: examples(env, `
Create one that may push to the repositories below samples:
  orlop acr sp create --name ci --role AcrPush --repository 'samples/*'

Create one that may pull from the whole registry:
  orlop acr sp create --name deploy --role AcrPull`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServicePrincipalCreate(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.managementOptions)
	fs := cmd.Flags()
	fs.StringVarP(&opts.name, "name", "n", "", "name of the service principal, for people")
	fs.StringArrayVar(&opts.roles, "role", nil, "role: AcrPull, AcrPush, AcrDelete, Reader, Contributor or Owner; may be repeated")
	fs.StringArrayVar(&opts.repositories, "repository", nil, "only for this repository, or those of a prefix such as samples/*; may be repeated")
	return cmd
}

func runServicePrincipalCreate(ctx context.Context, env *Env, opts *servicePrincipalCreateOptions) error {
	if opts.name == "" || len(opts.roles) == 0 {
		return usagef("--name and --role are needed")
	}
	client, host, err := opts.client(env)
	if err != nil {
		return err
	}
	cred, err := client.CreateServicePrincipal(ctx, admin.NewServicePrincipal{
		Name: opts.name, Roles: opts.roles, Repositories: opts.repositories,
	})
	if err != nil {
		return about(host, err)
	}
	return opts.write(env, cred)
}
