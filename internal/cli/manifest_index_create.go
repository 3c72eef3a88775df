package cli

import (
	"context"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/remote/auth"
)

type indexCreateOptions struct {
	commonOptions
	targetOptions
	indexOptions
	annotationOptions

	target  string
	sources []string
}

func newManifestIndexCreateCommand(env *Env) *cobra.Command {
	var opts indexCreateOptions
	cmd := &cobra.Command{
		Use:     "create [flags] <target>[:<tag>[,<tag>][...]] [{<tag>|<digest>}...]",
		Aliases: []string{"pack"},
		Short:   "Make an index of manifests and push it",
		Long: `Make an index of manifests that lie in one repository, and push it. The
platforms of images are read from their configurations.`,
		Example: examples(env, `
Make an index of two images, and tag it v1:
  orlop manifest index create localhost:5000/hello:v1 linux-amd64 linux-arm64

Make an index without a tag, of a tag and a digest:
  orlop manifest index create localhost:5000/hello linux-amd64 sha256:…

Make an index with an artifact type and an annotation:
  orlop manifest index create --artifact-type application/vnd.example+type -a key=value localhost:5000/hello:v1 linux-amd64

Print the index, and do not push it:
  orlop manifest index create --output - --pretty localhost:5000/hello linux-amd64 linux-arm64

Make an index in the OCI image layout directory layout-dir:
  orlop manifest index create --oci-layout layout-dir:v1 linux-amd64`),
		Args: minArgs(1, "the index to make, and the tags or digests of its manifests"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target, opts.sources = args[0], args[1:]
			return runIndexCreate(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.targetOptions, &opts.indexOptions, &opts.annotationOptions)
	return cmd
}

func runIndexCreate(ctx context.Context, env *Env, opts *indexCreateOptions) error {
	annotations, err := opts.annotationMap()
	if err != nil {
		return err
	}
	t, err := opts.open(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	if isDigest(t.reference) {
		return withHint(usagef("an index is not made under a digest"), "name it by a tag, or by none")
	}
	if opts.indexOptions.output == "" {
		ctx = auth.WithScopes(ctx, t.host(), auth.Scope(t.repo, "pull", "push"))
	}
	out := opts.printer(env)
	entries, err := fetchEntries(ctx, t, out, opts.sources)
	if err != nil {
		return err
	}
	m, err := packIndex(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		ArtifactType: opts.artifactType, Manifests: entries, Annotations: annotations,
	})
	if err != nil {
		return err
	}
	out.Line("Packed    %s %s", output.ShortDigest(m.Descriptor), m.Descriptor.MediaType)
	return opts.finish(ctx, env, t, out, m, t.tags)
}

// fetchEntries reads the manifests of a new index, and describes them.
func fetchEntries(ctx context.Context, t *target, out *output.Printer, references []string) ([]orlop.Descriptor, error) {
	entries := make([]orlop.Descriptor, len(references))
	sources := make([]source, len(references))
	for i, reference := range references {
		sources[i] = source{reference, func(ctx context.Context, m orlop.Manifest) (err error) {
			entries[i], err = entryOf(ctx, t, m)
			return err
		}}
	}
	return entries, fetchSources(ctx, t, out, sources)
}
