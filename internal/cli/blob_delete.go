package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/remote/auth"
)

type blobDeleteOptions struct {
	commonOptions
	targetOptions
	deleteOptions

	target string
}

func newBlobDeleteCommand(env *Env) *cobra.Command {
	var opts blobDeleteOptions
	cmd := &cobra.Command{
		Use:     "delete [flags] <name>@<digest>",
		Aliases: []string{"remove", "rm"},
		Short:   "Delete a blob",
		Long: `Delete a blob from a repository of a registry, or from an OCI image layout.
Manifests that refer to it stay, and cannot be pulled any more.`,
		Example: examples(env, `
Delete a blob:
  orlop blob delete localhost:5000/hello@sha256:…

Delete it without being asked, and print its descriptor:
  orlop blob delete --force --descriptor localhost:5000/hello@sha256:…

Delete a blob from the OCI image layout directory layout-dir:
  orlop blob delete --oci-layout layout-dir@sha256:…`),
		Args: exactArgs(1, "the blob to delete"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target = args[0]
			return runBlobDelete(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.targetOptions, &opts.deleteOptions)
	return cmd
}

func runBlobDelete(ctx context.Context, env *Env, opts *blobDeleteOptions) error {
	t, err := opts.open(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	if err := t.needDigest(); err != nil {
		return err
	}
	ctx = auth.WithScopes(ctx, t.host(), auth.Scope(t.repo, "pull", "delete"))
	out := output.NewPrinter(env.Stdout)
	d, err := t.statBlob(ctx)
	if isNotFound(err) && opts.force && !opts.descriptor {
		out.Line("Missing %s", t.typed)
		return out.Err()
	}
	if err != nil {
		return err
	}
	yes, err := opts.confirmed(env, fmt.Sprintf("the blob %q", d.Digest))
	if err != nil || !yes {
		return err
	}
	if err := t.DeleteBlob(ctx, t.repo, d.Digest); err != nil {
		return t.about(err)
	}
	if opts.descriptor {
		return opts.writeDescriptor(env.Stdout, d)
	}
	out.Line("Deleted %s", t)
	return out.Err()
}
