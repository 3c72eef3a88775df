package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/remote/auth"
)

type acrManifestDeleteOptions struct {
	artifactOptions
	yes bool
}

func newACRManifestDeleteCommand(env *Env) *cobra.Command {
	var opts acrManifestDeleteOptions
	cmd := &cobra.Command{
		Use:   "delete {--registry <registry> --name <name>{:<tag>|@<digest>} | <login server>/<name>{:<tag>|@<digest>}} [flags]",
		Short: "Delete a manifest with all its tags",
		Example: examples(env, `
Delete the manifest with the tag 1.0:
  orlop acr manifest delete --registry myregistry --name samples/artifact:1.0

Delete it without being asked:
  orlop acr manifest delete myregistry.example/samples/artifact:1.0 --yes`),
		Args: artifactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runACRManifestDelete(cmd.Context(), env, &opts, args)
		},
	}
	useGroups(cmd, &opts.artifactOptions)
	cmd.Flags().BoolVarP(&opts.yes, "yes", "y", false, "do not ask")
	return cmd
}

func runACRManifestDelete(ctx context.Context, env *Env, opts *acrManifestDeleteOptions, args []string) error {
	reg, err := opts.openArtifact(env, args)
	if err != nil {
		return err
	}
	im := opts.image
	dgst, err := reg.digest(ctx, im)
	if err != nil {
		return reg.about(im.String(), err)
	}
	if !opts.yes {
		question := fmt.Sprintf("Are you sure you want to delete the artifact '%s' and all manifests that refer to it?", dgst)
		if err := confirm(env, question); err != nil {
			return err
		}
	}
	ctx = auth.WithScopes(ctx, reg.Host(), auth.Scope(im.repo, "delete"))
	return reg.about(im.String(), reg.DeleteManifest(ctx, im.repo, dgst))
}
