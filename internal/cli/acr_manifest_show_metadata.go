package cli

import "github.com/spf13/cobra"

func newACRManifestShowMetadataCommand(env *Env) *cobra.Command {
	var opts artifactOptions
	cmd := &cobra.Command{
		Use:   "show-metadata {--registry <registry> --name <name>{:<tag>|@<digest>} | <login server>/<name>{:<tag>|@<digest>}} [flags]",
		Short: "Show the attributes of a tag or a manifest",
		Example: examples(env, `
Show the attributes of the tag 1.0:
  orlop acr manifest show-metadata --registry myregistry --name samples/artifact:1.0

Print its digest:
  orlop acr manifest show-metadata myregistry.example/samples/artifact:1.0 --query digest -o tsv`),
		Args: artifactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			reg, err := opts.openArtifact(env, args)
			if err != nil {
				return err
			}
			return reg.show(cmd.Context(), env, &opts.queryOptions, opts.image)
		},
	}
	useGroups(cmd, &opts)
	return cmd
}
