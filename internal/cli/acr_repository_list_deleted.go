package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func newACRRepositoryListDeletedCommand(env *Env) *cobra.Command {
	var opts namedOptions
	cmd := &cobra.Command{
		Use:   "list-deleted --name <registry> [flags]",
		Short: "List the repositories that have something to restore",
		Example: examples(env, `
List the repositories with deleted manifests or tags:
  orlop acr repository list-deleted --name myregistry`),
		Args: exactArgs(0, "the registry by --name"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runACRListDeleted(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func runACRListDeleted(ctx context.Context, env *Env, opts *namedOptions) error {
	reg, err := opts.open(env)
	if err != nil {
		return err
	}
	names, err := reg.list(ctx, acrListing{path: "/acr/v1/_deleted/_catalog", key: "repositories", scope: "registry:deleted_catalog:*"})
	if err != nil {
		return about(reg.Host(), err)
	}
	return opts.write(env, names)
}
