package cli

import (
	"context"
	"errors"
	"net/http"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote/auth"
)

func newUntagCommand(env *Env) *cobra.Command {
	var opts tagOptions
	cmd := &cobra.Command{
		Use:   "untag [flags] <name>{:<tag>[,<tag>][...]|<tag> [...]}",
		Short: "Remove tags, and leave their manifests",
		Long: `Remove tags from a repository or an OCI image layout. The manifests that they
name stay, with their other tags. Not every registry can do this.`,
		Example: examples(env, `
Remove the tag v1:
  orlop untag localhost:5000/hello:v1

Remove two tags:
  orlop untag localhost:5000/hello v1 latest

Remove a tag from the OCI image layout directory layout-dir:
  orlop untag --oci-layout layout-dir:v1`),
		Args: minArgs(1, "the tags to remove"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.from, opts.tags = args[0], args[1:]
			return runUntag(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.targetOptions, &opts.formatOptions)
	cmd.Flags().IntVar(&opts.concurrency, "concurrency", 5, "tags to remove at once")
	return cmd
}

// untagResult is the result of untag as JSON.
type untagResult struct {
	Untagged []string `json:"untagged"` // references, in the order given
}

func runUntag(ctx context.Context, env *Env, opts *tagOptions) error {
	t, err := opts.open(env, &opts.commonOptions, opts.from)
	if err != nil {
		return err
	}
	tags, err := tagsToRemove(t, opts.tags)
	if err != nil {
		return err
	}
	ctx = auth.WithScopes(ctx, t.host(), auth.Scope(t.repo, "pull", "delete"))
	out := opts.text(env)
	result := untagResult{make([]string, len(tags))}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(opts.concurrency, 1))
	for i, tag := range tags {
		result.Untagged[i] = t.at(tag)
		g.Go(func() error {
			if err := t.DeleteTag(ctx, t.repo, tag); err != nil {
				return t.aboutRef(t.at(tag), untagFailure(t, tag, err))
			}
			out.Line("Untagged [%s] %s", t.kind, t.at(tag))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if !opts.parsed.IsText() {
		return opts.parsed.Write(env.Stdout, result)
	}
	return out.Err()
}

// tagsToRemove are the tags of the reference, or else those after it: with both
// it would not be clear whether the first are meant.
func tagsToRemove(t *target, tags []string) ([]string, error) {
	switch {
	case isDigest(t.reference):
		return nil, withHint(usagef("%s is no tag", t.reference), "name the tags to remove as %s:TAG", t.base)
	case len(t.tags) > 0 && len(tags) > 0:
		return nil, withHint(usagef("tags are named in the reference and after it"), "name them as %[1]s:TAG,TAG or %[1]s TAG TAG", t.base)
	case len(t.tags)+len(tags) == 0:
		return nil, withHint(usagef("%q: no tag specified", t.base), "name the tags to remove as %s:TAG", t.base)
	case len(tags) > 0:
		return tags, t.validateTags(tags)
	}
	return t.tags, nil
}

// untagFailure says what to do where a registry cannot remove a tag alone.
func untagFailure(t *target, tag string, err error) error {
	e, ok := errors.AsType[*orlop.Error](err)
	cannot := ok && (e.HTTPStatus() == http.StatusMethodNotAllowed || e.Code == orlop.CodeUnsupported || e.Code == orlop.CodeDigestInvalid)
	if !cannot {
		return err
	}
	return withHint(err, "this registry cannot remove a tag alone; "+
		"let the tag name another manifest, or delete %s with all its tags by manifest delete", t.at(tag))
}
