package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop/internal/cli/output"
)

type diffOptions struct {
	commonOptions
	formatOptions
	platformOptions
	baseResolveOptions
	from, to targetOptions
	exitCode bool

	source, destination string
}

func newDiffCommand(env *Env) *cobra.Command {
	var opts diffOptions
	cmd := &cobra.Command{
		Use:   "diff [flags] <from>{:<tag>|@<digest>} <to>{:<tag>|@<digest>}",
		Short: "Show what differs between two artifacts",
		Long: `Show what differs between two artifacts: type, configuration, annotations,
files and layers, and how many bytes they share.

Only manifests are read. Files are the same if their digests and media types
are. The exit code does not tell whether something differs, unless --exit-code
is given: then it is 1 if so.`,
		Example: examples(env, `
Show what differs between the artifacts v1 and v2:
  orlop diff localhost:5000/hello:v1 localhost:5000/hello:v2

Fail if they differ:
  orlop diff --exit-code localhost:5000/hello:v1 localhost:5000/hello:v2

Compare with an artifact in the OCI image layout directory layout-dir:
  orlop diff --from-oci-layout layout-dir:v1 localhost:5000/hello:v1

Print the names of the files that are new:
  orlop diff localhost:5000/hello:v1 localhost:5000/hello:v2 --format go-template='{{range .files.added}}{{println .name}}{{end}}'`),
		Args: exactArgs(2, "the two artifact references"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.source, opts.destination = args[0], args[1]
			return runDiff(cmd.Context(), env, &opts)
		},
	}
	opts.from.prefix, opts.to.prefix = "from-", "to-"
	opts.ends = []*remoteOptions{&opts.from.remoteOptions, &opts.to.remoteOptions}
	useGroups(cmd, &opts.commonOptions, &opts.formatOptions, &opts.platformOptions, &opts.baseResolveOptions, &opts.from, &opts.to)
	labelEnds(cmd, "first", "second")
	cmd.Flags().BoolVar(&opts.exitCode, "exit-code", false, "exit with 1 if the artifacts differ")
	return cmd
}

var errDiffer = errors.New("the artifacts differ")

func runDiff(ctx context.Context, env *Env, opts *diffOptions) error {
	from, to, err := opts.inspect(ctx, env)
	if err != nil {
		return err
	}
	d := compare(from, to)
	if f := opts.formatOptions.parsed; f.IsText() {
		out := output.NewPrinter(env.Stdout)
		d.print(out)
		err = out.Err()
	} else {
		err = f.Write(env.Stdout, d)
	}
	if err == nil && opts.exitCode && !d.Same {
		return errDiffer
	}
	return err
}

// inspect reads both sides at once.
func (o *diffOptions) inspect(ctx context.Context, env *Env) (from, to *collector, err error) {
	g, ctx := errgroup.WithContext(ctx)
	read := func(side *targetOptions, raw string, c **collector) {
		g.Go(func() error {
			t, err := side.openManifest(env, &o.commonOptions, raw)
			if err != nil {
				return err
			}
			*c, err = inspect(ctx, t, &o.platformOptions)
			return t.about(err)
		})
	}
	read(&o.from, o.source, &from)
	read(&o.to, o.destination, &to)
	return from, to, g.Wait()
}
