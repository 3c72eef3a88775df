package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

type manifestDeleteOptions struct {
	commonOptions
	targetOptions
	distributionOptions
	deleteOptions

	target string
}

func newManifestDeleteCommand(env *Env) *cobra.Command {
	var opts manifestDeleteOptions
	opts.distributionOptions.remote = &opts.remoteOptions
	cmd := &cobra.Command{
		Use:     "delete [flags] <name>{:<tag>|@<digest>}",
		Aliases: []string{"remove", "rm"},
		Short:   "Delete a manifest with all its tags",
		Long: `Delete a manifest from a registry or an OCI image layout, with all tags that
name it. To remove a tag alone use untag.`,
		Example: examples(env, `
Delete the manifest that the tag v1 names:
  orlop manifest delete localhost:5000/hello:v1

Delete it without being asked, and print its descriptor:
  orlop manifest delete --force --descriptor localhost:5000/hello:v1

Delete from the OCI image layout directory layout-dir:
  orlop manifest delete --oci-layout layout-dir:v1`),
		Args: exactArgs(1, "the manifest to delete"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target = args[0]
			return runManifestDelete(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.targetOptions, &opts.distributionOptions, &opts.deleteOptions)
	return cmd
}

func runManifestDelete(ctx context.Context, env *Env, opts *manifestDeleteOptions) error {
	t, err := opts.open(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	if err := t.needReference(); err != nil {
		return err
	}
	ctx = auth.WithScopes(ctx, t.host(), auth.Scope(t.repo, opts.actions()...))
	out := output.NewPrinter(env.Stdout)
	d, err := t.Resolve(ctx, t.repo, t.reference)
	if isNotFound(err) && opts.force && !opts.descriptor {
		out.Line("Missing %s", t.typed)
		return out.Err()
	}
	if err != nil {
		return t.about(err)
	}
	yes, err := opts.confirmed(env, fmt.Sprintf("the manifest %q and all tags associated with it", d.Digest))
	if err != nil || !yes {
		return err
	}
	if err := t.DeleteManifest(ctx, t.repo, d.Digest); err != nil {
		return t.about(err)
	}
	if opts.descriptor {
		return opts.writeDescriptor(env.Stdout, d)
	}
	out.Line("Deleted %s", t)
	return out.Err()
}

// actions are the rights that a deletion needs: to push too where a tag may
// have to be changed that lists the manifest among the referrers of another.
func (o *manifestDeleteOptions) actions() []string {
	if o.referrersTag == remote.TagNever {
		return []string{"pull", "delete"}
	}
	return []string{"pull", "delete", "push"}
}
