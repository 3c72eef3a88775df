package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/ref"
	"github.com/orlop/orlop/remote/auth"
)

type tagOptions struct {
	commonOptions
	targetOptions
	concurrency int // accepted as before; one request carries each tag anyway

	from string
	tags []string
}

func newTagCommand(env *Env) *cobra.Command {
	var opts tagOptions
	cmd := &cobra.Command{
		Use:   "tag [flags] <name>{:<tag>|@<digest>} <new_tag> [...]",
		Short: "Tag a manifest in a registry or an OCI image layout",
		Example: examples(env, `
Give the manifest v1.0.1 the tags v1.0.2 and latest:
  orlop tag localhost:5000/hello:v1.0.1 v1.0.2 latest

Tag a manifest in the OCI image layout directory layout-dir:
  orlop tag --oci-layout layout-dir:v1.0.1 v1.0.2`),
		Args: minArgs(2, "the manifest and one new tag or more"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.from, opts.tags = args[0], args[1:]
			return runTag(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.targetOptions)
	cmd.Flags().IntVar(&opts.concurrency, "concurrency", 5, "tags to set at once")
	return cmd
}

func runTag(ctx context.Context, env *Env, opts *tagOptions) error {
	for _, tag := range opts.tags {
		if err := ref.ValidateTag(tag); err != nil {
			return &usageError{err: err}
		}
	}
	t, err := opts.open(env, &opts.commonOptions, opts.from)
	if err != nil {
		return err
	}
	if err := t.needReference(); err != nil {
		return err
	}
	ctx = auth.WithScopes(ctx, t.host(), auth.Scope(t.repo, "pull", "push"))
	m, err := t.Manifest(ctx, t.repo, t.reference)
	if err != nil {
		return t.about(err)
	}
	out := output.NewPrinter(env.Stdout)
	out.Line("Tagging [%s] %s", t.kind, t.digested(m.Descriptor.Digest))
	for _, tag := range opts.tags {
		if _, err := t.PushManifest(ctx, t.repo, m.Descriptor.MediaType, m.Raw, tag); err != nil {
			return t.aboutRef(t.at(tag), err)
		}
		out.Line("Tagged %s", tag)
	}
	return out.Err()
}
