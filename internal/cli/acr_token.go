package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/admin"
)

func newACRTokenCommand(env *Env) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:   "token [command]",
		Short: "Manage the tokens of an Orlop registry",
		Long: `Manage the tokens of an Orlop registry: accounts for programs that may do what
their scope map says. One signs in with the name of the token and one of its two
passwords.`,
	},
		newTokenCreateCommand(env),
		newTokenListCommand(env),
		newTokenShowCommand(env),
		newTokenUpdateCommand(env),
		newTokenDeleteCommand(env),
		newTokenCredentialCommand(env),
	)
}

// tokenOptions are the options of a command about one token.
type tokenOptions struct {
	managementOptions
	name string
}

func (o *tokenOptions) addFlags(fs *pflag.FlagSet) {
	o.managementOptions.addFlags(fs)
	fs.StringVarP(&o.name, "name", "n", "", "name of the token")
}

func (o *tokenOptions) validate() error {
	if o.name == "" {
		return usagef("--name is missing")
	}
	return o.managementOptions.validate()
}

type tokenCreateOptions struct {
	tokenOptions
	expiryOptions
	repositories     repositoryActions
	scopeMap, status string
	noPasswords      bool
}

func newTokenCreateCommand(env *Env) *cobra.Command {
	var opts tokenCreateOptions
	cmd := &cobra.Command{
		Use:   "create --name <name> --registry <registry> {--scope-map <scope map> | --repository <repository> <action>...} [flags]",
		Short: "Create a token and print its passwords",
		Long: `Create a token and print its two passwords, which are shown this once.

With --repository in place of --scope-map a scope map is made for the token, and
named after it.`,
		Example: examples(env, `
Create a token that may pull from the whole registry:
  orlop acr token create -n robot -r myregistry --scope-map _repositories_pull

Create one that may pull from and push to one repository, for 30 days:
  orlop acr token create -n robot -r myregistry --repository samples/app content/read content/write --expiration-in-days 30`),
		Args: opts.repositories.take,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return opts.create(cmd.Context(), c) })
		},
	}
	useGroups(cmd, &opts.tokenOptions, &opts.expiryOptions)
	fs := cmd.Flags()
	opts.repositories.flag(fs, "repository", "repository, with its actions behind it; may be repeated")
	fs.StringVar(&opts.scopeMap, "scope-map", "", "name of the scope map that says what the token may do")
	fs.StringVar(&opts.status, "status", admin.Enabled, "enabled or disabled")
	fs.BoolVar(&opts.noPasswords, "no-passwords", false, "make no passwords yet")
	return cmd
}

func (o *tokenCreateOptions) create(ctx context.Context, c *admin.Client) (admin.Token, error) {
	actions := o.repositories.actions("repository")
	switch {
	case (o.scopeMap == "") == (len(actions) == 0):
		return admin.Token{}, usagef("either --scope-map or --repository is needed")
	case o.scopeMap == "":
		o.scopeMap = o.name + "-scope-map"
		m := admin.ScopeMap{Name: o.scopeMap, Description: "made for the token " + o.name, Actions: actions}
		if _, err := c.CreateScopeMap(ctx, m); err != nil {
			return admin.Token{}, fmt.Errorf("scope map %s: %w", o.scopeMap, err)
		}
	}
	token, err := c.CreateToken(ctx, admin.NewToken{Name: o.name, ScopeMap: o.scopeMap, Status: o.status})
	if err != nil {
		if len(actions) > 0 { // nobody would find it
			err = errors.Join(err, c.DeleteScopeMap(ctx, o.scopeMap))
		}
		return token, err
	}
	if o.noPasswords {
		return token, nil
	}
	token.Credentials, err = generatePasswords(ctx, c, o.name, &o.expiryOptions, "password1", "password2")
	return token, err
}

// generatePasswords gives a token new passwords of these names.
func generatePasswords(ctx context.Context, c *admin.Client, token string, expiry *expiryOptions, names ...string) (admin.TokenCredentials, error) {
	out := admin.TokenCredentials{Username: token, Passwords: []admin.TokenPassword{}}
	for _, name := range names {
		made, err := c.GenerateTokenPassword(ctx, token, admin.NewTokenPassword{Name: name, Expiry: expiry.parsed})
		if err != nil {
			return out, err
		}
		out.Passwords = append(out.Passwords, made.Passwords...)
	}
	return out, nil
}

func newTokenListCommand(env *Env) *cobra.Command {
	var opts managementOptions
	cmd := &cobra.Command{
		Use:   "list --registry <registry> [flags]",
		Short: "List the tokens",
		Example: examples(env, `
List the tokens that may sign in:
  orlop acr token list -r myregistry --query "[?status=='enabled'].name" -o tsv`),
		Args: exactArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return registryTokens(cmd.Context(), c) })
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func registryTokens(ctx context.Context, c *admin.Client) ([]admin.Token, error) {
	all := []admin.Token{}
	for t, err := range c.Tokens(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func newTokenShowCommand(env *Env) *cobra.Command {
	var opts tokenOptions
	cmd := &cobra.Command{
		Use:   "show --name <name> --registry <registry> [flags]",
		Short: "Show a token, without its passwords",
		Example: examples(env, `
Show when the passwords of a token end:
  orlop acr token show -n robot -r myregistry --query 'credentials.passwords[].[name,expiry]' -o tsv`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return c.Token(cmd.Context(), opts.name) })
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func newTokenUpdateCommand(env *Env) *cobra.Command {
	var opts tokenOptions
	var change admin.TokenChange
	cmd := &cobra.Command{
		Use:   "update --name <name> --registry <registry> [--scope-map <scope map>] [--status {enabled|disabled}] [flags]",
		Short: "Change what a token may do, or whether it may sign in",
		Example: examples(env, `
Refuse a token from now on:
  orlop acr token update -n robot -r myregistry --status disabled`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return c.UpdateToken(cmd.Context(), opts.name, change) })
		},
	}
	useGroups(cmd, &opts)
	cmd.Flags().StringVar(&change.ScopeMap, "scope-map", "", "name of the scope map that says what the token may do")
	cmd.Flags().StringVar(&change.Status, "status", "", "enabled or disabled")
	return cmd
}

func newTokenDeleteCommand(env *Env) *cobra.Command {
	var opts tokenOptions
	var yes yesOption
	cmd := &cobra.Command{
		Use:   "delete --name <name> --registry <registry> [flags]",
		Short: "Delete a token; it is refused from then on",
		Example: examples(env, `
Delete a token:
  orlop acr token delete -n robot -r myregistry --yes`),
		Args: exactArgs(0, "the name by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := yes.confirm(env, "Are you sure you want to delete the token '%s'?", opts.name); err != nil {
				return err
			}
			return opts.manage(env, func(c *admin.Client) (any, error) { return nil, c.DeleteToken(cmd.Context(), opts.name) })
		},
	}
	useGroups(cmd, &opts, &yes)
	return cmd
}
