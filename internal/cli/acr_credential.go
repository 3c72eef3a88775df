package cli

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/admin"
)

// ofRegistry are managementOptions of commands where --name is the registry.
type ofRegistry struct{ managementOptions }

func (o *ofRegistry) addFlags(fs *pflag.FlagSet) {
	o.managementOptions.addFlags(fs)
	fs.StringVarP(&o.registryName, "name", "n", "", "the registry: its name or login server (default the one last signed in to)")
	fs.MarkHidden("registry")
}

func newACRCredentialCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "credential [command]",
		Short: "Show and renew the passwords of the admin user",
		Long: `Show and renew the two passwords of the admin user, an account that may do
everything with content and nothing else. It is off until it is enabled:
acr update --admin-enabled true`,
	},
		newCredentialShowCommand(env),
		newCredentialRenewCommand(env),
	)
}

// adminCredential is what az prints of the admin user.
type adminCredential struct {
	Username  string                `json:"username"`
	Passwords []admin.AdminPassword `json:"passwords"`
}

func newCredentialShowCommand(env *Env) *cobra.Command {
	var opts ofRegistry
	cmd := &cobra.Command{
		Use:   "show --name <registry> [flags]",
		Short: "Show the user name and the passwords of the admin user",
		Example: examples(env, `
Print a password alone:
  orlop acr credential show -n myregistry --query 'passwords[0].value' -o tsv`),
		Args: exactArgs(0, "the registry by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return showAdminUser(cmd.Context(), env, c) })
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func showAdminUser(ctx context.Context, env *Env, c *admin.Client) (adminCredential, error) {
	u, err := c.AdminUser(ctx)
	return enabledAdmin(env, u, err)
}

// enabledAdmin is the admin user of an answer; it is an error if it is off.
func enabledAdmin(env *Env, u admin.AdminUser, err error) (adminCredential, error) {
	if err == nil && !u.Enabled {
		err = withHint(errAdminDisabled, "enable it: %s acr update --admin-enabled true", env.program())
	}
	return adminCredential{u.Username, u.Passwords}, err
}

func newCredentialRenewCommand(env *Env) *cobra.Command {
	var opts ofRegistry
	var password string
	cmd := &cobra.Command{
		Use:   "renew --name <registry> --password-name {password|password2} [flags]",
		Short: "Replace a password of the admin user; the other stays good",
		Example: examples(env, `
Replace the second password:
  orlop acr credential renew -n myregistry --password-name password2`),
		Args: exactArgs(0, "the registry by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if password != "password" && password != "password2" {
				return usagef("--password-name must be password or password2")
			}
			return opts.manage(env, func(c *admin.Client) (any, error) { return renewAdminPassword(cmd.Context(), env, c, password) })
		},
	}
	useGroups(cmd, &opts)
	cmd.Flags().StringVar(&password, "password-name", "", "password or password2")
	return cmd
}

func renewAdminPassword(ctx context.Context, env *Env, c *admin.Client, name string) (adminCredential, error) {
	if _, err := showAdminUser(ctx, env, c); err != nil {
		return adminCredential{}, err
	}
	u, err := c.RenewAdminPassword(ctx, name)
	return enabledAdmin(env, u, err)
}
