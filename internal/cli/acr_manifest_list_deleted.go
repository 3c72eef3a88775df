package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/remote/auth"
)

func newACRManifestListDeletedCommand(env *Env) *cobra.Command {
	opts := artifactOptions{form: byNothing}
	cmd := &cobra.Command{
		Use:   "list-deleted {--registry <registry> --name <repository> | <login server>/<repository>} [flags]",
		Short: "List the manifests of a repository that can be restored",
		Example: examples(env, `
List the deleted manifests of samples/artifact:
  orlop acr manifest list-deleted --registry myregistry --name samples/artifact`),
		Args: artifactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runACRManifestListDeleted(cmd.Context(), env, &opts, args)
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func runACRManifestListDeleted(ctx context.Context, env *Env, opts *artifactOptions, args []string) error {
	reg, err := opts.openArtifact(env, args)
	if err != nil {
		return err
	}
	repo := opts.image.repo
	list, err := reg.list(ctx, acrListing{
		path: deletedPath(repo, "/_manifests"), key: "manifests", scope: auth.Scope(repo, "deleted_read"),
	})
	if err != nil {
		return reg.about(repo, noSoftDelete(err))
	}
	return opts.write(env, list)
}
