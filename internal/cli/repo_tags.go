package cli

import (
	"context"
	"regexp"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

type repoTagsOptions struct {
	commonOptions
	targetOptions
	formatOptions
	last              string
	excludeDigestTags bool

	target string
}

func newRepoTagsCommand(env *Env) *cobra.Command {
	var opts repoTagsOptions
	cmd := &cobra.Command{
		Use:     "tags [flags] <name>[:<tag>|@<digest>]",
		Aliases: []string{"show-tags"},
		Short:   "List the tags of a repository",
		Example: examples(env, `
List the tags of the repository hello:
  orlop repo tags localhost:5000/hello

List the tags that name the same manifest as v1:
  orlop repo tags localhost:5000/hello:v1

Leave out the tags of the referrers fallback:
  orlop repo tags localhost:5000/hello --exclude-digest-tags

List the tags of the OCI image layout directory layout-dir:
  orlop repo tags --oci-layout layout-dir`),
		Args: exactArgs(1, "the repository"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target = args[0]
			return runRepoTags(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.targetOptions, &opts.formatOptions)
	cmd.Flags().StringVar(&opts.last, "last", "", "start after this tag")
	cmd.Flags().BoolVar(&opts.excludeDigestTags, "exclude-digest-tags", false, "leave out tags such as sha256-<hex>")
	return cmd
}

// tagList is the result of repo tags as JSON.
type tagList struct {
	Tags []string `json:"tags"`
}

// digestTag is the form of tags that keep referrers where a registry has no
// API for them (distribution-spec, "Referrers Tag Schema"). That of a SHA-512
// may be cut.
var digestTag = regexp.MustCompile(`^(sha256-[0-9a-f]{64}|sha512-([0-9a-f]{64}){1,2})$`)

func runRepoTags(ctx context.Context, env *Env, opts *repoTagsOptions) error {
	t, err := opts.open(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	if t.reference != "" {
		if err := t.needReference(); err != nil {
			return err
		}
	}
	out := opts.text(env)
	list := tagList{Tags: []string{}}
	atOnce := t.reference == "" && opts.parsed.IsText() // a repository may have a million
	for tag, err := range t.Tags(ctx, t.repo, opts.last) {
		switch {
		case err != nil:
			return t.aboutRef(t.base, err)
		case opts.excludeDigestTags && digestTag.MatchString(tag):
		case atOnce:
			out.Line("%s", tag)
		default:
			list.Tags = append(list.Tags, tag)
		}
	}
	if t.reference != "" {
		if list.Tags, err = sameManifest(ctx, t, list.Tags); err != nil {
			return err
		}
	}
	if !opts.parsed.IsText() {
		return opts.parsed.Write(env.Stdout, list)
	}
	for _, tag := range list.Tags {
		out.Line("%s", tag)
	}
	return out.Err()
}

// resolvers is how many tags are resolved at once.
const resolvers = 8

// sameManifest keeps the tags that name the manifest that t names. The
// distribution API cannot be asked for them, so each tag is resolved.
func sameManifest(ctx context.Context, t *target, tags []string) ([]string, error) {
	want, err := t.Resolve(ctx, t.repo, t.reference)
	if err != nil {
		return nil, t.about(err)
	}
	found := make([]digest.Digest, len(tags))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(resolvers)
	for i, tag := range tags {
		g.Go(func() error {
			d, err := t.Resolve(ctx, t.repo, tag)
			if isNotFound(err) {
				return nil // deleted since it was listed
			}
			found[i] = d.Digest
			return t.aboutRef(t.at(tag), err)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	same := []string{}
	for i, tag := range tags {
		if found[i] == want.Digest {
			same = append(same, tag)
		}
	}
	return same, nil
}
