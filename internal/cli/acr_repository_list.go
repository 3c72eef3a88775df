package cli

import (
	"context"

	"github.com/spf13/cobra"
)

type acrListOptions struct {
	namedOptions
	top int
}

func newACRRepositoryListCommand(env *Env) *cobra.Command {
	var opts acrListOptions
	cmd := &cobra.Command{
		Use:   "list --name <registry> [flags]",
		Short: "List the repositories of a registry",
		Example: examples(env, `
List the repositories of myregistry:
  orlop acr repository list --name myregistry

List the first ten, one per line:
  orlop acr repository list --name myregistry --top 10 --output tsv`),
		Args: exactArgs(0, "the registry by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runACRList(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.namedOptions)
	cmd.Flags().IntVar(&opts.top, "top", 0, "show so many at most; 0 shows all")
	return cmd
}

func runACRList(ctx context.Context, env *Env, opts *acrListOptions) error {
	reg, err := opts.open(env)
	if err != nil {
		return err
	}
	names := []string{}
	for name, err := range reg.Repositories(ctx, "") {
		if err != nil {
			return about(reg.Host(), err)
		}
		names = append(names, name)
		if len(names) == opts.top {
			break
		}
	}
	return opts.write(env, names)
}
