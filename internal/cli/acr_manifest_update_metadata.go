package cli

import "github.com/spf13/cobra"

type acrManifestUpdateOptions struct {
	artifactOptions
	lockOptions
}

func newACRManifestUpdateMetadataCommand(env *Env) *cobra.Command {
	var opts acrManifestUpdateOptions
	cmd := &cobra.Command{
		Use:   "update-metadata {--registry <registry> --name <name>{:<tag>|@<digest>} | <login server>/<name>{:<tag>|@<digest>}} [flags]",
		Short: "Lock or unlock a tag or a manifest",
		Example: examples(env, `
Lock the tag 1.0:
  orlop acr manifest update-metadata --registry myregistry --name samples/artifact:1.0 --write-enabled false

Unlock it:
  orlop acr manifest update-metadata myregistry.example/samples/artifact:1.0 --write-enabled true`),
		Args: artifactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			reg, err := opts.openArtifact(env, args)
			if err != nil {
				return err
			}
			return reg.update(cmd.Context(), env, &opts.queryOptions, opts.artifactOptions.image, opts.changes())
		},
	}
	useGroups(cmd, &opts.artifactOptions, &opts.lockOptions)
	return cmd
}
