package cli

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// identified are the options of a command about one service principal.
type identified struct {
	managementOptions
	id string
}

func (o *identified) addFlags(fs *pflag.FlagSet) {
	o.managementOptions.addFlags(fs)
	fs.StringVar(&o.id, "id", "", "application id of the service principal")
}

func (o *identified) validate() error {
	if o.id == "" {
		return withHint(usagef("--id is missing"), "find it by: acr sp list")
	}
	return o.managementOptions.validate()
}

func newServicePrincipalDeleteCommand(env *Env) *cobra.Command {
	var opts identified
	cmd := &cobra.Command{
		Use:   "delete --id <application id> [flags]",
		Short: "Delete a service principal; it is refused from then on",
		Example: examples(env, `
Delete a service principal:
  orlop acr sp delete --id 00000000-0000-0000-0000-000000000001`),
		Args: exactArgs(0, "the application id by --id"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServicePrincipalDelete(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func runServicePrincipalDelete(ctx context.Context, env *Env, opts *identified) error {
	client, host, err := opts.client(env)
	if err != nil {
		return err
	}
	return about(host, client.DeleteServicePrincipal(ctx, opts.id))
}
