package cli

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/remote/auth"
)

func newACRManifestListDeletedTagsCommand(env *Env) *cobra.Command {
	opts := artifactOptions{form: byTagOrNone}
	cmd := &cobra.Command{
		Use:   "list-deleted-tags {--registry <registry> --name <repository>[:<tag>] | <login server>/<repository>[:<tag>]} [flags]",
		Short: "List the tags of a repository that can be restored",
		Example: examples(env, `
List the deleted tags of samples/artifact:
  orlop acr manifest list-deleted-tags --registry myregistry --name samples/artifact

List the manifests that had the tag 1.0:
  orlop acr manifest list-deleted-tags myregistry.example/samples/artifact:1.0`),
		Args: artifactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runACRManifestListDeletedTags(cmd.Context(), env, &opts, args)
		},
	}
	useGroups(cmd, &opts)
	return cmd
}

func runACRManifestListDeletedTags(ctx context.Context, env *Env, opts *artifactOptions, args []string) error {
	reg, err := opts.openArtifact(env, args)
	if err != nil {
		return err
	}
	list, err := reg.deletedTags(ctx, opts.image)
	if err != nil {
		return reg.about(opts.image.repo, noSoftDelete(err))
	}
	return opts.write(env, list)
}

// deletedTag is what the commands themselves need to know of a deleted tag.
type deletedTag struct {
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// deletedTags lists the deleted tags of a repository, or only those of one name.
func (r acrRegistry) deletedTags(ctx context.Context, im image) ([]json.RawMessage, error) {
	list, err := r.list(ctx, acrListing{
		path: deletedPath(im.repo, "/_tags"), key: "tags", scope: auth.Scope(im.repo, "deleted_read"),
	})
	if err != nil || im.tag == "" {
		return list, err
	}
	tags, err := decodeItems[deletedTag](list)
	if err != nil {
		return nil, err
	}
	chosen := []json.RawMessage{}
	for i, t := range tags {
		if t.Tag == im.tag {
			chosen = append(chosen, list[i])
		}
	}
	return chosen, nil
}
