package cli

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/admin"
)

func newACRUserCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "user [command]",
		Short: "Manage the users of an Orlop registry",
		Long: `Manage the users of an Orlop registry: people who sign in by name. Only an
account with the role Owner, such as admin, may do so. Without --registry it is
the registry last signed in to.`,
	},
		newUserCreateCommand(env),
		newUserListCommand(env),
		newUserUpdateCommand(env),
		newUserDeleteCommand(env),
		newUserPasswordCommand(env),
	)
}

// newPasswordOptions give a password for another account than the caller's.
type newPasswordOptions struct {
	stdin bool
}

func (o *newPasswordOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.stdin, "new-password-stdin", false, "read the user's password from standard input (default: one is generated and printed)")
}

// read returns the password, "" to have one generated.
func (o *newPasswordOptions) read(env *Env) (string, error) {
	if !o.stdin {
		return "", nil
	}
	return readSecret(env.Stdin)
}

type userCreateOptions struct {
	managementOptions
	newPasswordOptions
	name         string
	roles        []string
	repositories []string
}

func newUserCreateCommand(env *Env) *cobra.Command {
	var opts userCreateOptions
	cmd := &cobra.Command{
		Use:   "create --name <name> --role <role> [flags]",
		Short: "Create a user",
		Example: examples(env, `
Create a user who may pull from the whole registry, and print the password:
  orlop acr user create --name ann --role AcrPull

Create one who may push below samples, with a password from standard input:
  orlop acr user create --name bob --role AcrPush --repository 'samples/*' --new-password-stdin`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runUserCreate(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.managementOptions)
	fs := cmd.Flags()
	opts.newPasswordOptions.addFlags(fs)
	fs.StringVarP(&opts.name, "name", "n", "", "name to sign in with")
	fs.StringArrayVar(&opts.roles, "role", nil, "role: AcrPull, AcrPush, AcrDelete, Reader, Contributor or Owner; may be repeated")
	fs.StringArrayVar(&opts.repositories, "repository", nil, "only for this repository, or those of a prefix such as samples/*; may be repeated")
	return cmd
}

func runUserCreate(ctx context.Context, env *Env, opts *userCreateOptions) error {
	if opts.name == "" || len(opts.roles) == 0 {
		return usagef("--name and --role are needed")
	}
	password, err := opts.read(env)
	if err != nil {
		return err
	}
	client, host, err := opts.client(env)
	if err != nil {
		return err
	}
	cred, err := client.CreateUser(ctx, admin.NewUser{Name: opts.name, Password: password, Roles: opts.roles, Repositories: opts.repositories})
	if err != nil {
		return about(host, err)
	}
	return opts.write(env, cred)
}

func newUserListCommand(env *Env) *cobra.Command {
	var opts managementOptions
	cmd := &cobra.Command{
		Use:   "list [flags]",
		Short: "List the users and their roles",
		Example: examples(env, `
List the names of the users:
  orlop acr user list --query '[].name' --output tsv`),
		Args: exactArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runUserList(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func runUserList(ctx context.Context, env *Env, opts *managementOptions) error {
	client, host, err := opts.client(env)
	if err != nil {
		return err
	}
	all := []admin.User{}
	for u, err := range client.Users(ctx) {
		if err != nil {
			return about(host, err)
		}
		all = append(all, u)
	}
	return opts.write(env, all)
}

// namedUser are the options of a command about one user.
type namedUser struct {
	managementOptions
	name string
}

func (o *namedUser) addFlags(fs *pflag.FlagSet) {
	o.managementOptions.addFlags(fs)
	fs.StringVarP(&o.name, "name", "n", "", "name of the user")
}

func (o *namedUser) validate() error {
	if o.name == "" {
		return withHint(usagef("--name is missing"), "find it by: acr user list")
	}
	return o.managementOptions.validate()
}

func newUserDeleteCommand(env *Env) *cobra.Command {
	var opts namedUser
	cmd := &cobra.Command{
		Use:   "delete --name <name> [flags]",
		Short: "Delete a user, who is refused from then on",
		Example: examples(env, `
Delete a user:
  orlop acr user delete --name ann`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, host, err := opts.client(env)
			if err != nil {
				return err
			}
			return about(host, client.DeleteUser(cmd.Context(), opts.name))
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func newUserPasswordCommand(env *Env) *cobra.Command {
	var opts namedUser
	var password newPasswordOptions
	cmd := &cobra.Command{
		Use:   "password --name <name> [flags]",
		Short: "Give a user a new password; the old one ends",
		Example: examples(env, `
Print a new password:
  orlop acr user password --name ann --query password -o tsv`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runUserPassword(cmd.Context(), env, &opts, &password)
		},
	}
	useGroups(cmd, &opts)
	password.addFlags(cmd.Flags())
	return cmd
}

func runUserPassword(ctx context.Context, env *Env, opts *namedUser, password *newPasswordOptions) error {
	secret, err := password.read(env)
	if err != nil {
		return err
	}
	client, host, err := opts.client(env)
	if err != nil {
		return err
	}
	cred, err := client.SetPassword(ctx, opts.name, secret)
	if err != nil {
		return about(host, err)
	}
	return opts.write(env, cred)
}

func newUserUpdateCommand(env *Env) *cobra.Command {
	var opts managementOptions
	var name string
	var enabled choice
	cmd := &cobra.Command{
		Use:   "update --name <name> --enabled {true|false} [flags]",
		Short: "Refuse a user from now on, or let them in again",
		Example: examples(env, `
Refuse a user, with all the tokens they got:
  orlop acr user update --name ann --enabled false`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name == "" || enabled.value == nil {
				return usagef("--name and --enabled are needed")
			}
			return opts.manage(env, func(c *admin.Client) (any, error) { return nil, c.SetUser(cmd.Context(), name, *enabled.value) })
		},
	}
	useGroups(cmd, &opts)
	cmd.Flags().StringVarP(&name, "name", "n", "", "name to sign in with")
	cmd.Flags().Var(&enabled, "enabled", "whether they may sign in")
	return cmd
}
