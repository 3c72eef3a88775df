package cli

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/admin"
)

func newACRScopeMapCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "scope-map [command]",
		Short: "Manage the scope maps of an Orlop registry",
		Long: `Manage the scope maps of an Orlop registry: lists of what tokens may do.

An action is content/read, content/write, content/delete, metadata/read or
metadata/write. A repository is a name, a prefix such as samples/*, or * for all.
Some scope maps are there from the start; their names begin with _repositories.`,
	},
		newScopeMapCreateCommand(env),
		newScopeMapListCommand(env),
		newScopeMapShowCommand(env),
		newScopeMapUpdateCommand(env),
		newScopeMapDeleteCommand(env),
	)
}

// scopeMapOptions are the options of a command about one scope map.
type scopeMapOptions struct {
	managementOptions
	name string
}

func (o *scopeMapOptions) addFlags(fs *pflag.FlagSet) {
	o.managementOptions.addFlags(fs)
	fs.StringVarP(&o.name, "name", "n", "", "name of the scope map")
}

func (o *scopeMapOptions) validate() error {
	if o.name == "" {
		return usagef("--name is missing")
	}
	return o.managementOptions.validate()
}

func newScopeMapCreateCommand(env *Env) *cobra.Command {
	var opts scopeMapOptions
	var repositories repositoryActions
	var description string
	cmd := &cobra.Command{
		Use:   "create --name <name> --registry <registry> --repository <repository> <action>... [flags]",
		Short: "Create a scope map",
		Example: examples(env, `
Let tokens pull from one repository, and see the metadata of others:
  orlop acr scope-map create -n readers -r myregistry --repository samples/app content/read metadata/read --repository 'tools/*' metadata/read`),
		Args: repositories.take,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) {
				return c.CreateScopeMap(cmd.Context(), admin.ScopeMap{
					Name: opts.name, Description: description, Actions: repositories.actions("repository"),
				})
			})
		},
	}
	useGroups(cmd, &opts)
	repositories.flag(cmd.Flags(), "repository", "repository, with its actions behind it; may be repeated")
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	return cmd
}

func newScopeMapListCommand(env *Env) *cobra.Command {
	var opts managementOptions
	cmd := &cobra.Command{
		Use:   "list --registry <registry> [flags]",
		Short: "List the scope maps",
		Example: examples(env, `
List names and actions:
  orlop acr scope-map list -r myregistry --query '[].{name:name, actions:actions}'`),
		Args: exactArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return scopeMaps(cmd.Context(), c) })
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func scopeMaps(ctx context.Context, c *admin.Client) ([]admin.ScopeMap, error) {
	all := []admin.ScopeMap{}
	for m, err := range c.ScopeMaps(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func newScopeMapShowCommand(env *Env) *cobra.Command {
	var opts scopeMapOptions
	cmd := &cobra.Command{
		Use:   "show --name <name> --registry <registry> [flags]",
		Short: "Show a scope map",
		Example: examples(env, `
Show what tokens with a scope map may do:
  orlop acr scope-map show -n _repositories_pull -r myregistry --query actions`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return c.ScopeMap(cmd.Context(), opts.name) })
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func newScopeMapUpdateCommand(env *Env) *cobra.Command {
	var opts scopeMapOptions
	var repositories repositoryActions
	var description string
	cmd := &cobra.Command{
		Use:   "update --name <name> --registry <registry> [--add-repository <repository> <action>...] [--remove-repository <repository> <action>...] [flags]",
		Short: "Change a scope map, and with it what its tokens may do from now on",
		Example: examples(env, `
Let its tokens push, and no longer see the metadata:
  orlop acr scope-map update -n readers -r myregistry --add-repository samples/app content/write --remove-repository samples/app metadata/read`),
		Args: repositories.take,
		RunE: func(cmd *cobra.Command, _ []string) error {
			change := admin.ScopeMapChange{Add: repositories.actions("add-repository"), Remove: repositories.actions("remove-repository")}
			if cmd.Flags().Changed("description") {
				change.Description = &description
			}
			return opts.manage(env, func(c *admin.Client) (any, error) { return c.UpdateScopeMap(cmd.Context(), opts.name, change) })
		},
	}
	useGroups(cmd, &opts)
	repositories.flag(cmd.Flags(), "add-repository", "repository, with the actions behind it that come; may be repeated")
	repositories.flag(cmd.Flags(), "remove-repository", "repository, with the actions behind it that go; may be repeated")
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	return cmd
}

func newScopeMapDeleteCommand(env *Env) *cobra.Command {
	var opts scopeMapOptions
	var yes yesOption
	cmd := &cobra.Command{
		Use:   "delete --name <name> --registry <registry> [flags]",
		Short: "Delete a scope map that no token has",
		Example: examples(env, `
Delete a scope map:
  orlop acr scope-map delete -n readers -r myregistry --yes`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := yes.confirm(env, "Are you sure you want to delete the scope map '%s'?", opts.name); err != nil {
				return err
			}
			return opts.manage(env, func(c *admin.Client) (any, error) { return nil, c.DeleteScopeMap(cmd.Context(), opts.name) })
		},
	}
	useGroups(cmd, &opts, &yes)
	return cmd
}
