package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

// maxTags is how many tags are copied at most: a registry may list without end.
const maxTags = 250_000

// tagged is a manifest with the tags that name it.
type tagged struct {
	desc orlop.Descriptor
	tags []string
}

// wantedTags returns the tags that were typed, or else all. Tags that keep
// referrers for a registry without the API are not the user's: where they
// matter they are made again.
func wantedTags(ctx context.Context, t *target) ([]string, error) {
	if isDigest(t.reference) {
		return nil, withHint(usagef("digest references are not supported: %q", t.typed), "name tags, or none for all")
	}
	if len(t.tags) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(t.tags))), nil
	}
	var tags []string
	for tag, err := range t.Tags(ctx, t.repo, "") {
		if err != nil {
			return nil, t.about(err)
		}
		if digestTag.MatchString(tag) {
			continue
		}
		if len(tags) == maxTags {
			return nil, withHint(fmt.Errorf("%s has more than %d tags", t.base, maxTags), "name the tags")
		}
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	return slices.Compact(tags), nil
}

// listTags writes how many tags there are, and which.
func listTags(out *output.Printer, where string, all []*tagged) {
	const inOneLine = 5
	var tags []string
	for _, one := range all {
		tags = append(tags, one.tags...)
	}
	slices.Sort(tags)
	if len(tags) <= inOneLine {
		out.Line("Found %d tag(s) in %s: %s", len(tags), where, strings.Join(tags, ", "))
		return
	}
	out.Line("Found %d tag(s) in %s:", len(tags), where)
	for _, tag := range tags {
		out.Line("%s", tag)
	}
}

// resolve finds the manifests that the tags name, in the order of the tags.
func (b *bulkCopy) resolve(ctx context.Context, tags []string) ([]*tagged, error) {
	found := make([]orlop.Descriptor, len(tags))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(bulkResolves)
	for i, tag := range tags {
		g.Go(func() (err error) {
			if found[i], err = b.from.Resolve(gctx, b.from.repo, tag); err != nil {
				return b.fail(gctx, []string{tag}, atEnd(b.from, orlop.Source, b.from.aboutRef(b.from.at(tag), err)))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var all []*tagged
	byDigest := map[digest.Digest]*tagged{}
	for i, tag := range tags {
		d := found[i]
		if d.Digest == "" {
			continue
		}
		if byDigest[d.Digest] == nil {
			byDigest[d.Digest] = &tagged{desc: d}
			all = append(all, byDigest[d.Digest])
		}
		byDigest[d.Digest].tags = append(byDigest[d.Digest].tags, tag)
	}
	return all, nil
}
