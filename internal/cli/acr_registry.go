package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/admin"
)

// hostedOptions are the options of a command about one registry of a server,
// which need not be the one that is asked.
type hostedOptions struct {
	managementOptions
	name string
}

func (o *hostedOptions) addFlags(fs *pflag.FlagSet) {
	o.managementOptions.addFlags(fs)
	fs.StringVarP(&o.name, "name", "n", "", "name of the registry, 5 to 50 letters and digits")
	fs.Lookup("registry").Usage = "any registry of the server, by whose owner it is asked (default the one last signed in to)"
}

func (o *hostedOptions) validate() error {
	if o.name == "" {
		return usagef("--name is missing")
	}
	return o.managementOptions.validate()
}

func newACRCreateCommand(env *Env) *cobra.Command {
	var opts hostedOptions
	var adminUser choice
	var sku, location string
	cmd := &cobra.Command{
		Use:   "create --name <name> [flags]",
		Short: "Create a registry beside the one that is asked",
		Long: `Create a registry on the server of the one that is asked, at NAME.DOMAIN, where
DOMAIN is a domain of the server (orlopd --domain). It has content, accounts and
tokens of its own. An owner of the server, who has the role Owner at its default
registry, is its owner too; nobody else may create one.`,
		Example: examples(env, `
Create a registry beside myregistry, and sign in to it:
  orlop acr create --name another --registry myregistry.azurecr.localtest
  orlop login another.azurecr.localtest --username admin`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := admin.NewRegistry{Name: opts.name, AdminUserEnabled: adminUser.value != nil && *adminUser.value}
			return opts.manage(env, func(c *admin.Client) (any, error) { return c.CreateRegistry(cmd.Context(), in) })
		},
	}
	useGroups(cmd, &opts)
	fs := cmd.Flags()
	fs.Var(&adminUser, "admin-enabled", "whether the admin user may sign in")
	fs.StringVar(&sku, "sku", "", "not needed")
	fs.StringVarP(&location, "location", "l", "", "not needed")
	_, _ = fs.MarkHidden("sku"), fs.MarkHidden("location")
	return cmd
}

func newACRListCommand(env *Env) *cobra.Command {
	var opts managementOptions
	cmd := &cobra.Command{
		Use:   "list [flags]",
		Short: "List the registries of a server",
		Long: `List the registries of the server of the one that is asked: all, for an owner of
the server, and that one for others.`,
		Example: examples(env, `
List the login servers:
  orlop acr list --query '[].loginServer' -o tsv`),
		Args: exactArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return c.Registries(cmd.Context()) })
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func newACRShowCommand(env *Env) *cobra.Command {
	var opts ofRegistry
	cmd := &cobra.Command{
		Use:   "show --name <registry> [flags]",
		Short: "Show a registry",
		Example: examples(env, `
Show whether everybody may pull:
  orlop acr show --name myregistry --query anonymousPullEnabled`),
		Args: exactArgs(0, "the registry by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return c.Registry(cmd.Context()) })
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func newACRDeleteCommand(env *Env) *cobra.Command {
	var opts hostedOptions
	var yes yesOption
	cmd := &cobra.Command{
		Use:   "delete --name <name> [flags]",
		Short: "Delete a registry with everything in it",
		Long: `Delete a registry with everything in it, also what is locked. It cannot be
restored. The default registry of a server stays.`,
		Example: examples(env, `
Delete a registry beside myregistry:
  orlop acr delete --name another --registry myregistry.azurecr.localtest --yes`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := yes.confirm(env, "Are you sure you want to delete the registry '%s'?", opts.name); err != nil {
				return err
			}
			return opts.manage(env, func(c *admin.Client) (any, error) { return nil, c.DeleteRegistry(cmd.Context(), opts.name) })
		},
	}
	useGroups(cmd, &opts, &yes)
	return cmd
}
