package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/ref"
	"github.com/orlop/orlop/remote/auth"
)

type tagOptions struct {
	commonOptions
	targetOptions
	formatOptions
	conditionOptions
	concurrency int
	remove      bool

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

Move the tag latest, unless somebody else has moved it meanwhile:
  orlop tag localhost:5000/hello:v1.0.2 latest --if-match $(orlop resolve localhost:5000/hello:latest)

Remove the tag latest, and leave its manifest (as untag does):
  orlop tag --remove localhost:5000/hello latest

Tag a manifest in the OCI image layout directory layout-dir:
  orlop tag --oci-layout layout-dir:v1.0.1 v1.0.2`),
		Args: minArgs(1, "the manifest and one new tag or more"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.from, opts.tags = args[0], args[1:]
			if opts.remove {
				return runUntag(cmd.Context(), env, &opts)
			}
			if err := minArgs(2, "the manifest and one new tag or more")(cmd, args); err != nil {
				return err
			}
			return runTag(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.targetOptions, &opts.formatOptions, &opts.conditionOptions)
	cmd.Flags().IntVar(&opts.concurrency, "concurrency", 5, "tags to remove at once; new ones are set together")
	cmd.Flags().BoolVar(&opts.remove, "remove", false, "remove the tags, as untag does")
	return cmd
}

func runTag(ctx context.Context, env *Env, opts *tagOptions) error {
	t, err := opts.open(env, &opts.commonOptions, opts.from)
	if err != nil {
		return err
	}
	if err := cmp.Or(t.needReference(), t.validateTags(opts.tags), opts.fits(t, opts.tags)); err != nil {
		return err
	}
	ctx = auth.WithScopes(ctx, t.host(), auth.Scope(t.repo, "pull", "push"))
	m, err := t.Manifest(ctx, t.repo, t.reference)
	if err != nil {
		return t.about(err)
	}
	out := opts.text(env)
	out.Line("Tagging [%s] %s", t.kind, t.digested(m.Descriptor.Digest))
	if err := opts.putTags(ctx, env, t, m, opts.tags); err != nil {
		return t.about(err)
	}
	for _, tag := range opts.tags {
		out.Line("Tagged %s", tag)
	}
	if !opts.parsed.IsText() {
		return opts.parsed.Write(env.Stdout, newPushResult(t, m.Descriptor, opts.tags))
	}
	return out.Err()
}

// validateTags checks tags that are to be given to a manifest, or removed. An
// image layout has its own rules.
func (t *target) validateTags(tags []string) error {
	validate := ref.ValidateTag
	if t.kind == kindLayout {
		validate = layout.ValidateName
	}
	for _, tag := range tags {
		if err := validate(tag); err != nil {
			return &usageError{err: err}
		}
	}
	return nil
}
