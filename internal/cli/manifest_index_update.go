package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/ref"
	"github.com/orlop/orlop/remote/auth"
)

type indexUpdateOptions struct {
	commonOptions
	targetOptions
	indexOptions
	add, merge, remove, tags []string
	setType                  bool // --artifact-type is given, be it empty

	target string
}

func newManifestIndexUpdateCommand(env *Env) *cobra.Command {
	var opts indexUpdateOptions
	cmd := &cobra.Command{
		Use: "update [flags] <index>{:<tag>|@<digest>} " +
			"{--add {<tag>|<digest>}|--merge {<tag>|<digest>}|--remove <digest>} [...]",
		Short: "Change an index and push it",
		Long: `Change an index, and push it under the same tag. An index that was named by its
digest is pushed as a new one. What is added must lie in the same repository.`,
		Example: examples(env, `
Add an image to the index v1, and remove another:
  orlop manifest index update localhost:5000/hello:v1 --add linux-arm64 --remove sha256:…

Add the manifests of another index:
  orlop manifest index update localhost:5000/hello:v2 --merge v2-windows

Make a new index of one, with two tags:
  orlop manifest index update localhost:5000/hello@sha256:… --add linux-amd64 --tag v2.1.0 --tag v2

Take the artifact type away, and print the index instead of pushing it:
  orlop manifest index update localhost:5000/hello:v1 --artifact-type "" --output - --pretty

Change an index in the OCI image layout directory layout-dir:
  orlop manifest index update --oci-layout layout-dir:v1 --add linux-arm64`),
		Args: exactArgs(1, "the index to change"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target = args[0]
			opts.setType = cmd.Flags().Changed("artifact-type")
			if err := opts.complete(); err != nil {
				return wrongUse(cmd, err)
			}
			return runIndexUpdate(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.targetOptions, &opts.indexOptions)
	fs := cmd.Flags()
	fs.StringArrayVar(&opts.add, "add", nil, "add this manifest, a `tag` or digest; may be repeated")
	fs.StringArrayVar(&opts.merge, "merge", nil, "add the manifests of this index, a `tag` or digest; may be repeated")
	fs.StringArrayVar(&opts.remove, "remove", nil, "remove the manifest with this `digest`; may be repeated")
	fs.StringArrayVar(&opts.tags, "tag", nil, "also give the new index this `tag`; may be repeated")
	return cmd
}

// complete checks what only this command has.
func (o *indexUpdateOptions) complete() error {
	if len(o.tags) > 0 && o.indexOptions.output != "" {
		return errors.New("--tag and --output cannot be used together")
	}
	for _, d := range o.remove {
		if _, err := ref.ValidateDigest(d); err != nil {
			return fmt.Errorf("--remove needs a digest: %w", err)
		}
	}
	return nil
}

func runIndexUpdate(ctx context.Context, env *Env, opts *indexUpdateOptions) error {
	out := opts.printer(env)
	if !opts.setType && len(opts.add)+len(opts.merge)+len(opts.remove) == 0 {
		out.Line("Nothing to update as no change is requested")
		return out.Err()
	}
	t, err := opts.open(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	if err := cmp.Or(t.needReference(), t.validateTags(opts.tags)); err != nil {
		return err
	}
	if opts.indexOptions.output == "" {
		ctx = auth.WithScopes(ctx, t.host(), auth.Scope(t.repo, "pull", "push"))
	}
	index, err := opts.update(ctx, t, out)
	if err != nil {
		return err
	}
	m, err := packIndex(index)
	if err != nil {
		return err
	}
	out.Line("Updated   %s", m.Descriptor.Digest)
	return opts.finish(ctx, env, t, out, m, append(slices.Clone(t.tags), opts.tags...))
}

// update reads the index and what goes into it, and returns it changed.
func (o *indexUpdateOptions) update(ctx context.Context, t *target, out *output.Printer) (ocispec.Index, error) {
	var index ocispec.Index
	sources := []source{{t.reference, func(_ context.Context, m orlop.Manifest) (err error) {
		index, err = parseIndex(m)
		return err
	}}}
	added := make([]orlop.Descriptor, len(o.add))
	for i, reference := range o.add {
		sources = append(sources, source{reference, func(ctx context.Context, m orlop.Manifest) (err error) {
			added[i], err = entryOf(ctx, t, m)
			return err
		}})
	}
	merged := make([]merging, len(o.merge))
	for i, reference := range o.merge {
		sources = append(sources, source{reference, func(_ context.Context, m orlop.Manifest) error {
			other, err := parseIndex(m)
			merged[i] = merging{m.Descriptor.Digest, other.Manifests}
			return err
		}})
	}
	if err := fetchSources(ctx, t, out, sources); err != nil {
		return ocispec.Index{}, err
	}
	if err := o.removeFrom(&index, t, out); err != nil {
		return ocispec.Index{}, err
	}
	for i, d := range added {
		index.Manifests = append(index.Manifests, d)
		out.Line("Added     %s", named(o.add[i], d.Digest))
	}
	for i, other := range merged {
		index.Manifests = append(index.Manifests, other.manifests...)
		out.Line("Merged    %s", named(o.merge[i], other.digest))
	}
	if o.setType {
		index.ArtifactType = o.artifactType
	}
	return index, nil
}

// merging is an index whose manifests go into another.
type merging struct {
	digest    digest.Digest
	manifests []orlop.Descriptor
}

// removeFrom removes what --remove names.
func (o *indexUpdateOptions) removeFrom(index *ocispec.Index, t *target, out *output.Printer) error {
	if index.Manifests == nil {
		index.Manifests = []orlop.Descriptor{} // not null
	}
	for i, d := range o.remove {
		if slices.Contains(o.remove[:i], d) {
			continue
		}
		before := len(index.Manifests)
		index.Manifests = slices.DeleteFunc(index.Manifests, func(m orlop.Descriptor) bool { return string(m.Digest) == d })
		if len(index.Manifests) == before {
			return fmt.Errorf("%s does not exist in the index %s", d, t.typed)
		}
		out.Line("Removed   %s", d)
	}
	return nil
}
