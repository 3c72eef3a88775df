package cli

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/remote/auth"
)

type acrShowOptions struct {
	namedOptions
	subjectOptions
}

func newACRRepositoryShowCommand(env *Env) *cobra.Command {
	var opts acrShowOptions
	cmd := &cobra.Command{
		Use:   "show --name <registry> {--repository <name> | --image <name>{:<tag>|@<digest>}} [flags]",
		Short: "Show the attributes of a repository or an image",
		Example: examples(env, `
Show the tag 1.0 of the repository samples/artifact:
  orlop acr repository show --name myregistry --image samples/artifact:1.0

Show the repository:
  orlop acr repository show --name myregistry --repository samples/artifact

Print the digest of a tag:
  orlop acr repository show -n myregistry -t samples/artifact:1.0 --query digest -o tsv`),
		Args: exactArgs(0, "--repository or --image"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			reg, err := opts.open(env)
			if err != nil {
				return err
			}
			return reg.show(cmd.Context(), env, &opts.queryOptions, opts.subject)
		},
	}
	useGroups(cmd, &opts.namedOptions, &opts.subjectOptions)
	return cmd
}

// show prints the attributes of a repository or an image.
func (r acrRegistry) show(ctx context.Context, env *Env, o *queryOptions, im image) error {
	raw, err := r.attributes(ctx, im)
	if err != nil {
		return r.about(im.String(), err)
	}
	return o.writeJSON(env, raw)
}

// attributes returns the attributes of a repository, a tag or a manifest.
func (r acrRegistry) attributes(ctx context.Context, im image) (json.RawMessage, error) {
	path, key := im.metadata()
	c := acrCall{method: http.MethodGet, path: path, scope: auth.Scope(im.repo, "metadata_read")}
	raw, _, err := r.do(ctx, c)
	switch {
	case err != nil && lacksACR(err) && key != "":
		return plainImage(ctx, r, im)
	case err != nil || key == "":
		return raw, err
	}
	return c.member(raw, key)
}
