package cli

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/remote/auth"
)

type acrUpdateOptions struct {
	namedOptions
	subjectOptions
	lockOptions
}

func newACRRepositoryUpdateCommand(env *Env) *cobra.Command {
	var opts acrUpdateOptions
	cmd := &cobra.Command{
		Use:   "update --name <registry> {--repository <name> | --image <name>{:<tag>|@<digest>}} [flags]",
		Short: "Lock or unlock a repository or an image",
		Long: `Lock or unlock a repository, a tag or a manifest. What is not given stays as it
is. A tag and its manifest are locked apart: a locked tag does not keep the
manifest from being deleted by its digest.`,
		Example: examples(env, `
Lock the tag 1.0:
  orlop acr repository update --name myregistry --image samples/artifact:1.0 --write-enabled false

Keep a repository from being deleted:
  orlop acr repository update --name myregistry --repository samples/artifact --delete-enabled false

Unlock the tag:
  orlop acr repository update -n myregistry -t samples/artifact:1.0 --write-enabled true --delete-enabled true`),
		Args: exactArgs(0, "--repository or --image"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			reg, err := opts.open(env)
			if err != nil {
				return err
			}
			return reg.update(cmd.Context(), env, &opts.queryOptions, opts.subject, opts.changes())
		},
	}
	useGroups(cmd, &opts.namedOptions, &opts.subjectOptions, &opts.lockOptions)
	return cmd
}

// update changes the attributes of a repository or an image, and prints what
// they are now.
func (r acrRegistry) update(ctx context.Context, env *Env, o *queryOptions, im image, changes map[string]bool) error {
	if len(changes) == 0 {
		return r.show(ctx, env, o, im) // as az does
	}
	raw, err := r.patch(ctx, im, changes)
	if err != nil {
		return r.about(im.String(), err)
	}
	return o.writeJSON(env, raw)
}

func (r acrRegistry) patch(ctx context.Context, im image, changes map[string]bool) (json.RawMessage, error) {
	path, key := im.metadata()
	c := acrCall{
		method: http.MethodPatch, path: path, body: changes,
		scope: auth.Scope(im.repo, "metadata_read", "metadata_write"),
	}
	raw, _, err := r.do(ctx, c)
	if err != nil || key == "" {
		return raw, err
	}
	return c.member(raw, key)
}
