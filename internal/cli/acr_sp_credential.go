package cli

import (
	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/admin"
)

func newServicePrincipalSecretsCommand(env *Env) *cobra.Command {
	var opts identified
	cmd := &cobra.Command{
		Use:   "list --id <application id> [flags]",
		Short: "List what is known of the secrets of a service principal",
		Example: examples(env, `
Show which secrets end, and when:
  orlop acr sp credential list --id 00000000-0000-0000-0000-000000000001 --query '[].[keyId,endDateTime]' -o tsv`),
		Args: exactArgs(0, "the application id by --id"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return opts.manage(env, func(c *admin.Client) (any, error) { return c.ServicePrincipalSecrets(cmd.Context(), opts.id) })
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func newServicePrincipalSecretDeleteCommand(env *Env) *cobra.Command {
	var opts identified
	var key string
	cmd := &cobra.Command{
		Use:   "delete --id <application id> --key-id <id> [flags]",
		Short: "Delete a secret of a service principal; it is refused from then on",
		Example: examples(env, `
Delete a secret:
  orlop acr sp credential delete --id 00000000-0000-0000-0000-000000000001 --key-id 00000000-0000-0000-0000-000000000002`),
		Args: exactArgs(0, "the application id by --id"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if key == "" {
				return withHint(usagef("--key-id is missing"), "find it by: acr sp credential list")
			}
			return opts.manage(env, func(c *admin.Client) (any, error) {
				return nil, c.DeleteServicePrincipalSecret(cmd.Context(), opts.id, key)
			})
		},
	}
	useGroups(cmd, &opts)
	cmd.Flags().StringVar(&key, "key-id", "", "id of the secret")
	return cmd
}

func newServicePrincipalUpdateCommand(env *Env) *cobra.Command {
	var opts identified
	var enabled choice
	cmd := &cobra.Command{
		Use:   "update --id <application id> --enabled {true|false} [flags]",
		Short: "Refuse a service principal from now on, or let it in again",
		Example: examples(env, `
Refuse a service principal, with all the tokens it got:
  orlop acr sp update --id 00000000-0000-0000-0000-000000000001 --enabled false`),
		Args: exactArgs(0, "the application id by --id"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if enabled.value == nil {
				return usagef("--enabled is missing")
			}
			return opts.manage(env, func(c *admin.Client) (any, error) {
				return nil, c.SetServicePrincipal(cmd.Context(), opts.id, *enabled.value)
			})
		},
	}
	useGroups(cmd, &opts)
	cmd.Flags().Var(&enabled, "enabled", "whether it may sign in")
	return cmd
}
