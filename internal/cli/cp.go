package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
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
	from, err := opts.from.openSource(env, &opts.commonOptions, opts.source)
	if err != nil {
		return err
	}
	defer from.close()
	if err := from.needReference(); err != nil {
		return err
	}
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

// root reads what is to be copied.
func (o *copyOptions) root(ctx context.Context, env *Env, from *target) (orlop.Manifest, error) {
	m, err := from.Manifest(ctx, from.repo, from.reference)
	if err != nil {
		return orlop.Manifest{}, atEnd(from, orlop.Source, err)
	}
	root, err := selectPlatforms(ctx, from, m, o.platformsOptions.parsed)
	if err != nil {
		return orlop.Manifest{}, atEnd(from, orlop.Source, err)
	}
	if o.recursive && orlop.IsIndex(root.Descriptor.MediaType) && root.Descriptor.Digest != m.Descriptor.Digest {
		output.NewPrinter(env.Stderr).Line("WARNING: what refers to %s is not copied, for the index of fewer platforms is another", from.typed)
	}
	return root, nil
}

// copying is one run of cp.
type copying struct {
	opts     *copyOptions
	from, to *target
	root     orlop.Manifest
}

func (c *copying) run(ctx context.Context, env *Env) error {
	if d := digest.Digest(c.to.reference); isDigest(c.to.reference) && d != c.root.Descriptor.Digest {
		return atEnd(c.to, orlop.Destination, local(orlop.ErrDigestInvalid.With(
			fmt.Sprintf("%s has the digest %s", c.from.typed, c.root.Descriptor.Digest))))
	}
	out := output.NewPrinter(env.Stdout)
	p := progress(env, &c.opts.commonOptions, &c.opts.ttyOptions, c.opts.formatOptions.parsed, out,
		"Copying", "Copied", "Exists", "Mounted", "Skipped")
	moved := newTransfers(p, "Copying", "Copied")
	err := c.copy(ctx, moved)
	p.Close()
	if err != nil {
		return err
	}
	if !c.opts.formatOptions.parsed.IsText() {
		return c.opts.formatOptions.parsed.Write(env.Stdout, c.result(moved))
	}
	out.Line("Copied %s => %s", c.from, c.to)
	for _, tag := range c.to.furtherTags() {
		out.Line("Tagged %s", tag)
	}
	out.Line("Digest: %s", c.root.Descriptor.Digest)
	return out.Err()
}

func (c *copying) copy(ctx context.Context, moved *transfers) error {
	ctx = auth.WithScopes(ctx, c.to.host(), auth.Scope(c.to.repo, "pull", "push"))
	src := rooted{c.from.Registry, c.root}
	_, err := orlop.Copy(ctx, c.to.Registry, c.to.repo, src, c.from.repo, string(c.root.Descriptor.Digest), orlop.CopyOptions{
		Tags:        c.to.tags,
		Concurrency: c.opts.concurrency,
		MountFrom:   c.mountFrom(),
		Force:       c.opts.force,
		Referrers:   c.opts.recursive,
		Progress:    moved.event,
	})
	if err != nil {
		return copyFailure(c.from, c.to, err)
	}
	return atEnd(c.to, orlop.Destination, c.to.commit(ctx))
}

// mountFrom is where the destination's registry has the content already: the
// source, if it is the same registry.
func (c *copying) mountFrom() []string {
	if c.from.host() == "" || c.from.host() != c.to.host() {
		return nil
	}
	return []string{c.from.repo}
}

func (c *copying) result(moved *transfers) copyResult {
	r := copyResult{
		Reference: c.to.digested(c.root.Descriptor.Digest), Source: c.from.typed,
		descriptor: describe(c.root.Descriptor), ReferenceAsTags: []string{}, Summary: moved.summary(),
	}
	for _, tag := range c.to.tags {
		r.ReferenceAsTags = append(r.ReferenceAsTags, c.to.at(tag))
	}
	slices.Sort(r.ReferenceAsTags)
	return r
}

// rooted is a source with one manifest that has been read already, or was made
// of another.
type rooted struct {
	orlop.Registry
	root orlop.Manifest
}

func (r rooted) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	if reference == string(r.root.Descriptor.Digest) {
		return r.root, nil
	}
	return r.Registry.Manifest(ctx, repo, reference)
}

// copyFailure says at which end a copy failed, and with what content.
func copyFailure(from, to *target, err error) error {
	e, ok := errors.AsType[*orlop.CopyError](err)
	if !ok {
		return err
	}
	end := to
	if e.Side == orlop.Source {
		end = from
	}
	err = e.Err
	if e.Descriptor.Digest != "" {
		err = end.aboutRef(end.digested(e.Descriptor.Digest), err)
	}
	return copyHint(atEnd(end, e.Side, err))
}

// copyHint adds the next step to the failures that are particular to copies.
func copyHint(err error) error {
	switch {
	case errors.Is(err, orlop.ErrDamaged):
		return withHint(err, "the content does not match its digest; try again, or tell the operator of the source")
	case errors.Is(err, orlop.ErrManifestBlobUnknown):
		return withHint(err, "the destination lacks content that it seemed to have; copy with --force")
	}
	return err
}
