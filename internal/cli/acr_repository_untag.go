package cli

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/remote/auth"
)

type acrUntagOptions struct {
	namedOptions
	image string
}

func newACRRepositoryUntagCommand(env *Env) *cobra.Command {
	var opts acrUntagOptions
	cmd := &cobra.Command{
		Use:   "untag --name <registry> --image <name>:<tag> [flags]",
		Short: "Remove a tag, and leave the manifest",
		Example: examples(env, `
Remove the tag 1.0:
  orlop acr repository untag --name myregistry --image samples/artifact:1.0`),
		Args: exactArgs(0, "the tag by --image"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runACRUntag(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.namedOptions)
	cmd.Flags().StringVarP(&opts.image, "image", "t", "", "tag as `REPOSITORY:TAG`")
	requireFlag(cmd, "image")
	return cmd
}

func runACRUntag(ctx context.Context, env *Env, opts *acrUntagOptions) error {
	im, err := parseImage(opts.image, byTag)
	if err != nil {
		return err
	}
	reg, err := opts.open(env)
	if err != nil {
		return err
	}
	path, _ := im.metadata()
	raw, _, err := reg.do(ctx, acrCall{method: http.MethodDelete, path: path, scope: auth.Scope(im.repo, "delete")})
	if err != nil {
		return reg.about(im.String(), err)
	}
	return opts.write(env, raw)
}
