package cli

import (
	"context"

	"github.com/spf13/cobra"
)

type acrManifestShowOptions struct {
	artifactOptions
	raw bool
}

func newACRManifestShowCommand(env *Env) *cobra.Command {
	var opts acrManifestShowOptions
	cmd := &cobra.Command{
		Use:   "show {--registry <registry> --name <name>{:<tag>|@<digest>} | <login server>/<name>{:<tag>|@<digest>}} [flags]",
		Short: "Show a manifest",
		Example: examples(env, `
Show the manifest with the tag 1.0:
  orlop acr manifest show --registry myregistry --name samples/artifact:1.0

Print it as it is, so that its digest can be computed:
  orlop acr manifest show myregistry.example/samples/artifact:1.0 --raw | sha256sum`),
		Args: artifactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runACRManifestShow(cmd.Context(), env, &opts, args)
		},
	}
	useGroups(cmd, &opts.artifactOptions)
	cmd.Flags().BoolVar(&opts.raw, "raw", false, "print the manifest as it is")
	return cmd
}

func runACRManifestShow(ctx context.Context, env *Env, opts *acrManifestShowOptions, args []string) error {
	reg, err := opts.openArtifact(env, args)
	if err != nil {
		return err
	}
	m, err := reg.Manifest(ctx, opts.image.repo, opts.image.reference())
	if err != nil {
		return reg.about(opts.image.String(), err)
	}
	if opts.raw {
		_, err := env.Stdout.Write(m.Raw)
		return err
	}
	return opts.writeJSON(env, m.Raw)
}
