package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/admin"
)

func newTokenCredentialCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "credential [command]",
		Short: "Manage the passwords of a token",
	},
		newTokenGenerateCommand(env),
		newTokenCredentialDeleteCommand(env),
	)
}

// passwordOptions choose among the two passwords of a token.
type passwordOptions struct{ first, second bool }

func (o *passwordOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.first, "password1", false, "the password password1")
	fs.BoolVar(&o.second, "password2", false, "the password password2")
}

func (o *passwordOptions) validate() error { return nil }

func (o *passwordOptions) names() []string {
	var names []string
	if o.first {
		names = append(names, "password1")
	}
	if o.second {
		names = append(names, "password2")
	}
	return names
}

func newTokenGenerateCommand(env *Env) *cobra.Command {
	var opts tokenOptions
	var passwords passwordOptions
	var expiry expiryOptions
	cmd := &cobra.Command{
		Use:   "generate --name <name> --registry <registry> [flags]",
		Short: "Replace passwords of a token and print the new ones",
		Long: `Replace passwords of a token, both if none is named, and print the new ones,
which are shown this once. The old ones, and what was got with them, are refused
from then on.`,
		Example: examples(env, `
Replace one password, and print it alone:
  orlop acr token credential generate -n robot -r myregistry --password1 --query 'passwords[0].value' -o tsv`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			names := passwords.names()
			if len(names) == 0 {
				names = []string{"password1", "password2"}
			}
			return opts.manage(env, func(c *admin.Client) (any, error) {
				return generatePasswords(cmd.Context(), c, opts.name, &expiry, names...)
			})
		},
	}
	useGroups(cmd, &opts, &passwords, &expiry)
	return cmd
}

func newTokenCredentialDeleteCommand(env *Env) *cobra.Command {
	var opts tokenOptions
	var passwords passwordOptions
	cmd := &cobra.Command{
		Use:   "delete --name <name> --registry <registry> {--password1 | --password2} [flags]",
		Short: "Delete passwords of a token; they are refused from then on",
		Example: examples(env, `
Delete one password:
  orlop acr token credential delete -n robot -r myregistry --password2`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(passwords.names()) == 0 {
				return usagef("--password1 or --password2 is needed")
			}
			return opts.manage(env, func(c *admin.Client) (any, error) {
				return nil, deletePasswords(cmd.Context(), c, opts.name, passwords.names())
			})
		},
	}
	useGroups(cmd, &opts, &passwords)
	return cmd
}

func deletePasswords(ctx context.Context, c *admin.Client, token string, names []string) error {
	for _, name := range names {
		if err := c.DeleteTokenPassword(ctx, token, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
