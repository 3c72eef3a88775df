package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop/remote/auth"
)

type acrManifestListOptions struct {
	artifactOptions
	listOptions
}

func newACRManifestListCommand(env *Env) *cobra.Command {
	opts := acrManifestListOptions{artifactOptions: artifactOptions{form: byNothing}}
	opts.columns = func(v any) ([]string, [][]string) {
		return fieldsTable(v, []string{"MediaType", "ArtifactType", "SubjectDigest"},
			[]string{"mediaType"}, []string{"artifactType"}, []string{"subject", "digest"})
	}
	cmd := &cobra.Command{
		Use:   "list {--registry <registry> --name <repository> | <login server>/<repository>} [flags]",
		Short: "Show all manifests of a repository",
		Example: examples(env, `
Show the manifests of samples/artifact:
  orlop acr manifest list --registry myregistry --name samples/artifact

Show the newest one:
  orlop acr manifest list myregistry.example/samples/artifact --orderby time_desc --top 1`),
		Args: artifactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runACRManifestList(cmd.Context(), env, &opts, args)
		},
	}
	useGroups(cmd, &opts.artifactOptions, &opts.listOptions)
	return cmd
}

func runACRManifestList(ctx context.Context, env *Env, opts *acrManifestListOptions, args []string) error {
	reg, err := opts.openArtifact(env, args)
	if err != nil {
		return err
	}
	repo := opts.image.repo
	ctx = auth.WithScopes(ctx, reg.Host(), auth.Scope(repo, "pull", "metadata_read"))
	list, err := reg.manifests(ctx, repo, opts.listOptions)
	if err != nil {
		return reg.about(repo, err)
	}
	manifests, err := reg.fetchAll(ctx, repo, list)
	if err != nil {
		return reg.about(repo, err)
	}
	return opts.write(env, manifests)
}

// atOnce is how many manifests are fetched at the same time.
const atOnce = 8

// fetchAll returns the manifests of a list in its order, maxList bytes at most.
func (r acrRegistry) fetchAll(ctx context.Context, repo string, list []json.RawMessage) ([]json.RawMessage, error) {
	items, err := decodeItems[acrTag](list)
	if err != nil {
		return nil, err
	}
	var size atomic.Int64
	manifests := make([]json.RawMessage, len(items))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, item := range items {
		g.Go(func() error {
			m, err := r.Manifest(ctx, repo, item.Digest)
			if err != nil {
				return fmt.Errorf("fetch %s: %w", item.Digest, err)
			}
			if size.Add(int64(len(m.Raw))) > maxList {
				return errLongList
			}
			manifests[i] = m.Raw
			return nil
		})
	}
	return manifests, g.Wait()
}
