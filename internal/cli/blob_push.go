package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/remote/auth"
)

type blobPushOptions struct {
	commonOptions
	ttyOptions
	targetOptions
	descriptorOptions
	mediaType string
	size      int64 // -1 if it was not given

	target, file string
}

func newBlobPushCommand(env *Env) *cobra.Command {
	var opts blobPushOptions
	cmd := &cobra.Command{
		Use:   "push [flags] <name>[@<digest>] <file>",
		Short: "Push a blob to a registry or an OCI image layout",
		Long: `Push the content of a file as a blob, or standard input if the file is "-".
Neither its size nor its digest need be known; if they are given, the content
must match them.`,
		Example: examples(env, `
Push the file hi.txt as a blob:
  orlop blob push localhost:5000/hello hi.txt

Push it only if it has a certain digest:
  orlop blob push localhost:5000/hello@sha256:… hi.txt

Push what another program writes:
  tar -c folder | orlop blob push localhost:5000/hello -

Push, and print the descriptor with a media type:
  orlop blob push --media-type application/vnd.oci.image.config.v1+json --descriptor localhost:5000/hello hi.txt

Push to the OCI image layout directory layout-dir:
  orlop blob push --oci-layout layout-dir hi.txt`),
		Args: exactArgs(2, "the repository, and the file or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target, opts.file = args[0], args[1]
			if opts.file == "-" && (opts.passwordStdin || opts.identityTokenStdin) {
				return wrongUse(cmd, errors.New("standard input cannot be both the secret and the blob"))
			}
			return runBlobPush(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.ttyOptions, &opts.targetOptions, &opts.descriptorOptions)
	fs := cmd.Flags()
	fs.StringVar(&opts.mediaType, "media-type", ocispec.MediaTypeImageLayer, "media type in the descriptor that is printed")
	fs.Int64Var(&opts.size, "size", -1, "size in bytes that the content must have; -1: any")
	return cmd
}

func runBlobPush(ctx context.Context, env *Env, opts *blobPushOptions) error {
	t, err := opts.create(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	if t.reference != "" {
		if err := t.needDigest(); err != nil {
			return err
		}
	}
	content, err := opts.content(env)
	if err != nil {
		return err
	}
	defer content.Close()
	out := output.NewPrinter(env.Stdout)
	lines := out
	if opts.descriptor {
		lines = nil
	}
	p := progress(env, &opts.commonOptions, &opts.ttyOptions, output.Format{}, lines, "Uploading", "Uploaded", "Exists")
	ctx = auth.WithScopes(ctx, t.host(), auth.Scope(t.repo, "pull", "push"))
	want := orlop.Descriptor{MediaType: opts.mediaType, Digest: digest.Digest(t.reference), Size: opts.size}
	d, err := (&blobPusher{t: t, want: want, progress: p}).push(ctx, content)
	p.Close()
	if err != nil {
		return t.about(err)
	}
	if opts.descriptor {
		return opts.writeDescriptor(env.Stdout, d)
	}
	out.Line("Pushed: %s", t)
	out.Line("Digest: %s", d.Digest)
	return out.Err()
}

// content opens what to push: the file, or standard input.
func (o *blobPushOptions) content(env *Env) (io.ReadCloser, error) {
	if o.file == "-" {
		return io.NopCloser(env.Stdin), nil
	}
	f, err := os.Open(o.file)
	if err != nil {
		return nil, fmt.Errorf("read the blob: %w", err)
	}
	return f, nil
}
