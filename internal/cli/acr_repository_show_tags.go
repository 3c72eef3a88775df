package cli

import (
	"context"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/ref"
	"github.com/orlop/orlop/remote/auth"
)

type acrShowTagsOptions struct {
	commonOptions
	registryOptions
	queryOptions
	repository, orderBy string
	top                 int
	detail              bool
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
	useGroups(cmd, &opts.commonOptions, &opts.registryOptions, &opts.queryOptions)
	fs := cmd.Flags()
	fs.StringVar(&opts.repository, "repository", "", "name of the repository")
	fs.StringVar(&opts.orderBy, "orderby", "", "order: time_asc or time_desc; by name without it")
	fs.IntVar(&opts.top, "top", 0, "show so many at most; 0 shows all")
	fs.BoolVar(&opts.detail, "detail", false, "show the attributes too")
	return cmd
}

// orders are the values of --orderby, and how the registry calls them.
var orders = map[string]string{"": "", "time_asc": "timeasc", "time_desc": "timedesc"}

func runACRShowTags(ctx context.Context, env *Env, opts *acrShowTagsOptions) error {
	order, ok := orders[opts.orderBy]
	if !ok {
		return usagef("invalid --orderby %q: supported are time_asc and time_desc", opts.orderBy)
	}
	if err := ref.ValidateRepository(opts.repository); err != nil {
		return &usageError{err: err}
	}
	reg, err := opts.openACR(env, &opts.commonOptions)
	if err != nil {
		return err
	}
	name := reg.Host() + "/" + opts.repository
	tags, err := reg.tags(ctx, opts.repository, order, opts.top)
	switch {
	case err != nil && lacksACR(err) && opts.orderBy == "" && !opts.detail:
		names, err := plainTags(ctx, reg, opts.repository, opts.top)
		if err != nil {
			return about(name, err)
		}
		return opts.write(env.Stdout, names)
	case err != nil:
		return about(name, err)
	case opts.detail:
		return opts.write(env.Stdout, tags)
	}
	return opts.write(env.Stdout, tagNames(tags))
}

func tagNames(tags []map[string]any) []any {
	names := []any{}
	for _, t := range tags {
		names = append(names, t["name"])
	}
	return names
}

// pageSize is how many tags are asked for at once, as az does.
const pageSize = 100

// tags lists tags with their attributes, at most top of them if that is not 0.
func (r acrRegistry) tags(ctx context.Context, repo, order string, top int) ([]map[string]any, error) {
	n := pageSize
	if top > 0 {
		n = min(top, pageSize)
	}
	q := url.Values{"n": {strconv.Itoa(n)}}
	if order != "" {
		q.Set("orderby", order)
	}
	all := []map[string]any{}
	path := metadataPath(repo, "/_tags?"+q.Encode())
	for path != "" {
		var page struct {
			Tags []map[string]any `json:"tags"`
		}
		next, err := r.get(ctx, path, auth.Scope(repo, "metadata_read"), &page)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Tags...)
		if top > 0 && len(all) >= top {
			return all[:top], nil
		}
		if next == path || len(page.Tags) == 0 {
			break // a list that does not move on would never end
		}
		path = next
	}
	return all, nil
}
