package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

type resolveOptions struct {
	commonOptions
	targetOptions
	platformOptions
	formatOptions
	full bool

	target string
}

func newResolveCommand(env *Env) *cobra.Command {
	var opts resolveOptions
	cmd := &cobra.Command{
		Use:     "resolve [flags] <name>{:<tag>|@<digest>}",
		Aliases: []string{"digest"},
		Short:   "Print the digest that a tag names",
		Example: examples(env, `
Print the digest of the manifest v1:
  orlop resolve localhost:5000/hello:v1

Print it as a full reference:
  orlop resolve -l localhost:5000/hello:v1

Print the digest of one platform of an index:
  orlop resolve --platform linux/arm64 localhost:5000/hello:v1`),
		Args: exactArgs(1, "the artifact reference to resolve"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target = args[0]
			return runResolve(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.targetOptions, &opts.platformOptions, &opts.formatOptions)
	cmd.Flags().BoolVarP(&opts.full, "full-reference", "l", false, "print name@digest")
	return cmd
}

func runResolve(ctx context.Context, env *Env, opts *resolveOptions) error {
	t, err := opts.openManifest(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	d, err := resolve(ctx, t, &opts.platformOptions)
	if err != nil {
		return err
	}
	if f := opts.formatOptions.parsed; !f.IsText() {
		d = orlop.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size} // a layout tells more
		return f.Write(env.Stdout, manifestResult{t.digested(d.Digest), describe(d)})
	}
	out := output.NewPrinter(env.Stdout)
	if opts.full {
		out.Line("%s", t.digested(d.Digest))
	} else {
		out.Line("%s", d.Digest)
	}
	return out.Err()
}

// resolve returns the descriptor of what t names; content is read only if a
// platform is to be chosen.
func resolve(ctx context.Context, t *target, p *platformOptions) (orlop.Descriptor, error) {
	if p.parsed == nil {
		d, err := t.Resolve(ctx, t.repo, t.reference)
		return d, t.about(err)
	}
	m, err := t.manifest(ctx, p)
	return m.Descriptor, err
}
