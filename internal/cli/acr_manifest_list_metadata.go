package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func newACRManifestListMetadataCommand(env *Env) *cobra.Command {
	opts := acrManifestListOptions{artifactOptions: artifactOptions{form: byNothing}}
	cmd := &cobra.Command{
		Use:   "list-metadata {--registry <registry> --name <repository> | <login server>/<repository>} [flags]",
		Short: "List the manifests of a repository with their attributes",
		Example: examples(env, `
List the manifests of samples/artifact:
  orlop acr manifest list-metadata --registry myregistry --name samples/artifact

Print the digests of those without a tag:
  orlop acr manifest list-metadata myregistry.example/samples/artifact --query '[?tags==null].digest' -o tsv`),
		Args: artifactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runACRManifestListMetadata(cmd.Context(), env, &opts, args)
		},
	}
	useGroups(cmd, &opts.artifactOptions, &opts.listOptions)
	return cmd
}

func runACRManifestListMetadata(ctx context.Context, env *Env, opts *acrManifestListOptions, args []string) error {
	reg, err := opts.openArtifact(env, args)
	if err != nil {
		return err
	}
	list, err := reg.manifests(ctx, opts.image.repo, opts.listOptions)
	if err != nil {
		return reg.about(opts.image.repo, err)
	}
	return opts.write(env, list)
}
