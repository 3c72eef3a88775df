package cli

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

type blobFetchOptions struct {
	commonOptions
	ttyOptions
	targetOptions
	descriptorOptions
	cacheOptions
	output string

	target string
}

func newBlobFetchCommand(env *Env) *cobra.Command {
	var opts blobFetchOptions
	cmd := &cobra.Command{
		Use:     "fetch [flags] {--output <file> | --descriptor} <name>@<digest>",
		Aliases: []string{"get"},
		Short:   "Fetch a blob from a registry or an OCI image layout",
		Long: `Fetch a blob into a file, or to standard output if the file is "-".

The content is verified before the file gets its name: what was there is
replaced, or stays. A download that was cut goes on where it broke off, also in
the next run. What goes to standard output is verified as it comes: a failure
means that what was printed must not be used.`,
		Example: examples(env, `
Fetch a blob into a file:
  orlop blob fetch --output blob.tar.gz localhost:5000/hello@sha256:…

Print the content of a blob:
  orlop blob fetch --output - localhost:5000/hello@sha256:…

Print the descriptor of a blob:
  orlop blob fetch --descriptor localhost:5000/hello@sha256:…

Fetch a blob from the OCI image layout directory layout-dir:
  orlop blob fetch --oci-layout --output blob.tar.gz layout-dir@sha256:…`),
		Args: exactArgs(1, "the blob to fetch"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target = args[0]
			if err := opts.check(); err != nil {
				return wrongUse(cmd, err)
			}
			return runBlobFetch(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.ttyOptions, &opts.targetOptions, &opts.descriptorOptions, &opts.cacheOptions)
	cmd.Flags().StringVarP(&opts.output, "output", "o", "", "`FILE` to write to, - for standard output")
	return cmd
}

func (o *blobFetchOptions) check() error {
	switch {
	case o.output == "" && !o.descriptor:
		return errors.New("either --output or --descriptor must be given")
	case o.output == stdoutName && o.descriptor:
		return errors.New("--output - and --descriptor cannot be used together")
	}
	return nil
}

func runBlobFetch(ctx context.Context, env *Env, opts *blobFetchOptions) error {
	t, err := opts.openSource(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	if err := t.needDigest(); err != nil {
		return err
	}
	if err := opts.wrap(env, t); err != nil {
		return err
	}
	d, err := t.statBlob(ctx)
	if err != nil {
		return err
	}
	if err := opts.fetch(ctx, env, t, d); err != nil {
		return fetchFailure(t, err)
	}
	if opts.descriptor {
		return opts.writeDescriptor(env.Stdout, d)
	}
	return nil
}

// fetch writes the content to where it is wanted, if anywhere. On standard
// output it is the only thing, so that bars would be in its way.
func (o *blobFetchOptions) fetch(ctx context.Context, env *Env, t *target, d orlop.Descriptor) error {
	switch o.output {
	case "":
		return nil
	case stdoutName:
		return writeBlob(ctx, env.Stdout, t, output.NewProgress(output.ProgressOptions{}), file{desc: d})
	}
	p := progress(env, &o.commonOptions, &o.ttyOptions, output.Format{}, nil)
	defer p.Close()
	task := p.Start("Downloading", d)
	err := save(ctx, o.output, d, func(ctx context.Context, off int64) (io.ReadCloser, error) {
		task.Set(off)
		r, err := t.OpenBlob(ctx, t.repo, d.Digest, off, -1)
		if err != nil {
			return nil, err
		}
		return &countingReader{BlobReader: r, task: task}, nil
	})
	if err != nil {
		task.Fail()
		return err
	}
	task.Done("Downloaded")
	return nil
}

// fetchFailure adds the next step to a failure of reading content.
func fetchFailure(t *target, err error) error {
	err = t.about(err)
	if errors.Is(err, orlop.ErrDamaged) && !errors.Is(err, errUnverified) {
		return withHint(err, "the content does not match its digest; nothing was written, try again or tell the registry's operator")
	}
	return err
}
