package cli

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
)

type acrReferrersOptions struct {
	artifactOptions
	artifactType string
	recursive    bool
}

func newACRManifestListReferrersCommand(env *Env) *cobra.Command {
	var opts acrReferrersOptions
	opts.columns = func(v any) ([]string, [][]string) {
		object, _ := v.(map[string]any)
		return fieldsTable(object["manifests"], []string{"Digest", "ArtifactType", "MediaType", "Size"},
			[]string{"digest"}, []string{"artifactType"}, []string{"mediaType"}, []string{"size"})
	}
	cmd := &cobra.Command{
		Use:   "list-referrers {--registry <registry> --name <name>{:<tag>|@<digest>} | <login server>/<name>{:<tag>|@<digest>}} [flags]",
		Short: "List what refers to a manifest, such as signatures",
		Example: examples(env, `
List what refers to the manifest with the tag 1.0:
  orlop acr manifest list-referrers --registry myregistry --name samples/artifact:1.0

List what refers to it, and to what refers to it:
  orlop acr manifest list-referrers myregistry.example/samples/artifact:1.0 --recursive`),
		Args: artifactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runACRReferrers(cmd.Context(), env, &opts, args)
		},
	}
	useGroups(cmd, &opts.artifactOptions)
	cmd.Flags().StringVar(&opts.artifactType, "artifact-type", "", "only those of this type")
	cmd.Flags().BoolVar(&opts.recursive, "recursive", false, "also what refers to the referrers, whatever its type")
	return cmd
}

// maxReferrers is how many referrers are listed at most.
const maxReferrers = 10_000

func runACRReferrers(ctx context.Context, env *Env, opts *acrReferrersOptions, args []string) error {
	reg, err := opts.openArtifact(env, args)
	if err != nil {
		return err
	}
	im := opts.image
	dgst, err := reg.digest(ctx, im)
	if err != nil {
		return reg.about(im.String(), err)
	}
	l := referrersList{reg: reg, repo: im.repo, all: []orlop.Descriptor{}}
	err = l.add(ctx, dgst, opts.artifactType)
	for i := 0; opts.recursive && err == nil && i < len(l.all); i++ {
		err = l.add(ctx, l.all[i].Digest, "")
	}
	if err != nil {
		return reg.about(im.String(), err)
	}
	return opts.write(env, map[string]any{"manifests": l.all})
}

// referrersList collects referrers.
type referrersList struct {
	reg  orlop.Lister
	repo string
	all  []orlop.Descriptor
}

// add lists what refers to one manifest.
func (l *referrersList) add(ctx context.Context, dgst digest.Digest, artifactType string) error {
	for d, err := range l.reg.Referrers(ctx, l.repo, dgst, artifactType) {
		if err != nil {
			return err
		}
		if len(l.all) == maxReferrers {
			return fmt.Errorf("more than %d manifests refer to it", maxReferrers)
		}
		l.all = append(l.all, d)
	}
	return nil
}
