package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/remote/auth"
)

type copyOptions struct {
	commonOptions
	ttyOptions
	formatOptions
	platformsOptions
	concurrencyOptions
	baseResolveOptions
	from, to  endOptions
	recursive bool
	force     bool

	source, destination string
}

// endOptions are the flags of one end of a copy.
type endOptions struct {
	targetOptions
	distribution distributionOptions
}

// prepare names the flags of the end.
func (o *endOptions) prepare(prefix string) {
	o.prefix = prefix
	o.distribution.remote = &o.remoteOptions
}

// baseResolveOptions are the addresses of --resolve, which hold for both ends
// where these have none of their own.
type baseResolveOptions struct {
	base []string
	ends []*remoteOptions // set before addFlags
}

func (o *baseResolveOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&o.base, "resolve", nil, "as --from-resolve and --to-resolve: `host:port:address[:address_port]`")
}

// validate hands the addresses to the ends, which validate them.
func (o *baseResolveOptions) validate() error {
	for _, end := range o.ends {
		end.resolve = slices.Concat(o.base, end.resolve) // of two for one name the last counts
	}
	return nil
}

func newCopyCommand(env *Env) *cobra.Command {
	var opts copyOptions
	opts.from.prepare("from-")
	opts.to.prepare("to-")
	opts.ends = []*remoteOptions{&opts.from.remoteOptions, &opts.to.remoteOptions}
	cmd := &cobra.Command{
		Use:     "cp [flags] <from>{:<tag>|@<digest>} <to>[:<tag>[,<tag>][...]]",
		Aliases: []string{"copy"},
		Short:   "Copy artifacts between registries and OCI image layouts",
		Long: `Copy an artifact, or an index with all of its manifests, from one registry or
OCI image layout to another.

What the destination has already is not sent, and what another repository of
the same registry has is mounted. The tags are set when all is there.`,
		Example: examples(env, `
Copy an artifact between registries:
  orlop cp localhost:5000/hello:v1 localhost:6000/hello-copy:v1

Copy it with everything that refers to it, such as signatures:
  orlop cp -r localhost:5000/hello:v1 localhost:6000/hello-copy:v1

Copy it and give it several tags:
  orlop cp localhost:5000/hello:v1 localhost:6000/hello-copy:v1,v1.0,latest

Copy some platforms of an index:
  orlop cp --platform linux/amd64,linux/arm64 localhost:5000/hello:v1 localhost:6000/hello-copy:v1

Copy into an OCI image layout, a directory or a tar file, and from there:
  orlop cp localhost:5000/hello:v1 --to-oci-layout ./hello:v1
  orlop cp localhost:5000/hello:v1 --to-oci-layout ./hello.tar:v1
  orlop cp --from-oci-layout ./hello.tar:v1 localhost:6000/hello-copy:v1

Copy again what a destination only seems to have whole:
  orlop cp --force localhost:5000/hello:v1 localhost:6000/hello-copy:v1`),
		Args: exactArgs(2, "the source and the destination"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.source, opts.destination = args[0], args[1]
			return runCopy(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.ttyOptions, &opts.formatOptions, &opts.platformsOptions,
		&opts.concurrencyOptions, &opts.baseResolveOptions, &opts.from.targetOptions, &opts.from.distribution,
		&opts.to.targetOptions, &opts.to.distribution)
	labelEnds(cmd, "source", "destination")
	fs := cmd.Flags()
	fs.BoolVarP(&opts.recursive, "recursive", "r", false, "also copy what refers to the artifact, and what refers to that")
	fs.BoolVar(&opts.force, "force", false, "send manifests even if the destination has them, and look for all blobs")
	return cmd
}

// copyResult is the result of cp as JSON.
type copyResult struct {
	Reference string `json:"reference"`
	Source    string `json:"source"`
	descriptor
	ReferenceAsTags []string        `json:"referenceAsTags"`
	Summary         transferSummary `json:"summary"`
}

func runCopy(ctx context.Context, env *Env, opts *copyOptions) (err error) {
	if _, err := opts.to.parse(opts.destination); err != nil {
		return err
	}
	from, err := opts.from.openManifest(env, &opts.commonOptions, opts.source)
	if err != nil {
		return err
	}
	defer from.close()
	ctx = auth.WithScopes(ctx, from.host(), auth.Scope(from.repo, "pull"))
	root, err := opts.root(ctx, env, from)
	if err != nil {
		return err
	}
	to, err := opts.to.createWhole(env, &opts.commonOptions, opts.destination)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := to.close(); err == nil {
			err = closeErr
		}
	}()
	if isDigest(to.reference) {
		to.tags = nil // as of every reference with both, the digest counts
	}
	c := &copying{opts: opts, from: from, to: to, root: root}
	return c.run(ctx, env)
}
