package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/ref"
)

type acrShowTagsOptions struct {
	namedOptions
	listOptions
	repository string
	detail     bool
}

func newACRRepositoryShowTagsCommand(env *Env) *cobra.Command {
	var opts acrShowTagsOptions
	cmd := &cobra.Command{
		Use:   "show-tags --name <registry> --repository <name> [flags]",
		Short: "List the tags of a repository",
		Example: examples(env, `
List the tags of the repository samples/artifact:
  orlop acr repository show-tags --name myregistry --repository samples/artifact

Show the newest tag with its attributes:
  orlop acr repository show-tags -n myregistry --repository samples/artifact \
      --orderby time_desc --top 1 --detail`),
		Args: exactArgs(0, "the repository by --repository"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runACRShowTags(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.namedOptions, &opts.listOptions)
	fs := cmd.Flags()
	fs.StringVar(&opts.repository, "repository", "", "name of the repository")
	fs.BoolVar(&opts.detail, "detail", false, "show the attributes too")
	return cmd
}

func runACRShowTags(ctx context.Context, env *Env, opts *acrShowTagsOptions) error {
	if err := ref.ValidateRepository(opts.repository); err != nil {
		return &usageError{err: err}
	}
	reg, err := opts.open(env)
	if err != nil {
		return err
	}
	tags, err := reg.tags(ctx, opts.repository, opts.listOptions)
	switch {
	case err != nil && lacksACR(err) && opts.orderBy == "" && !opts.detail:
		names, err := plainTags(ctx, reg, opts.repository, opts.top)
		if err != nil {
			return reg.about(opts.repository, err)
		}
		return opts.write(env, names)
	case err != nil:
		return reg.about(opts.repository, err)
	case opts.detail:
		return opts.write(env, tags)
	}
	known, err := decodeItems[acrTag](tags)
	if err != nil {
		return reg.about(opts.repository, err)
	}
	return opts.write(env, tagNames(known))
}

func tagNames(tags []acrTag) []string {
	names := make([]string, len(tags))
	for i, t := range tags {
		names[i] = t.Name
	}
	return names
}
