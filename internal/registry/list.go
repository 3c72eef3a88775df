package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// pageSize is how many names are read at once when all are asked for.
const pageSize = 1000

// minScan is how many names are read at least where some are not shown.
const minScan = 100

// TagsPage returns at most n tags after a name, in byte order, and whether
// there are more. ErrNameUnknown if the repository is absent.
func (r *Registry) TagsPage(ctx context.Context, repo, after string, n int) (tags []string, more bool, err error) {
	if err := checkName(repo); err != nil {
		return nil, false, err
	}
	tags, err = r.db.Tags(ctx, r.id, repo, after, n+1)
	if err != nil {
		return nil, false, translate(err, nil)
	}
	if len(tags) == 0 {
		return nil, false, r.absentIn(ctx, repo, nil)
	}
	tags, more = cut(tags, n)
	return tags, more, nil
}

// cut takes at most n of what was read with a limit of n+1.
func cut[T any](items []T, n int) ([]T, bool) {
	if len(items) > n {
		return items[:n], true
	}
	return items, false
}

// Tags lists the tags of a repository.
func (r *Registry) Tags(ctx context.Context, repo, after string) iter.Seq2[string, error] {
	return pages(after, func(after string) ([]string, bool, error) { return r.TagsPage(ctx, repo, after, pageSize) })
}

// pages lists page by page.
func pages(after string, page func(after string) ([]string, bool, error)) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for {
			names, more, err := page(after)
			if err != nil {
				yield("", err)
				return
			}
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			if !more {
				return
			}
			after = names[len(names)-1]
		}
	}
}

// RepositoriesPage returns at most n repositories after a name, in byte order,
// of those that visible allows, and whether there are more.
func (r *Registry) RepositoriesPage(ctx context.Context, after string, n int, visible func(string) bool) (names []string, more bool, err error) {
	return visiblePage(after, n, visible, func(after string, n int) ([]string, error) {
		return r.db.Repositories(ctx, r.id, after, n)
	})
}

// visiblePage takes from a list at most n names that visible allows.
func visiblePage(
	after string, n int, visible func(string) bool, list func(after string, n int) ([]string, error),
) (names []string, more bool, err error) {
	size := max(n+1, minScan)
	for {
		page, err := list(after, size)
		if err != nil {
			return nil, false, translate(err, nil)
		}
		for _, name := range page {
			if !visible(name) {
				continue
			}
			if len(names) == n {
				return names, true, nil
			}
			names = append(names, name)
		}
		if len(page) < size {
			return names, false, nil
		}
		after = page[len(page)-1]
	}
}

// Repositories lists all repositories.
func (r *Registry) Repositories(ctx context.Context, after string) iter.Seq2[string, error] {
	all := func(string) bool { return true }
	return pages(after, func(after string) ([]string, bool, error) { return r.RepositoriesPage(ctx, after, pageSize, all) })
}

// ReferrersPage returns the descriptors of at most n manifests whose subject is
// d, as JSON objects separated by commas, from the position after on ("" is the
// start), and the position of the next page, "" if there is none. A page ends
// early where it gets large. artifactType "" means any.
func (r *Registry) ReferrersPage(ctx context.Context, repo string, d digest.Digest, artifactType, after string, n int) (list []byte, next string, err error) {
	if err := checkBoth(repo, d); err != nil {
		return nil, "", err
	}
	list, next, err = r.db.Referrers(ctx, r.id, repo, d, artifactType, after, n)
	return list, next, translate(err, orlop.ErrPaginationInvalid)
}

// Referrers lists the manifests whose subject is d.
func (r *Registry) Referrers(ctx context.Context, repo string, d digest.Digest, artifactType string) iter.Seq2[orlop.Descriptor, error] {
	return func(yield func(orlop.Descriptor, error) bool) {
		after := ""
		for {
			list, next, err := r.ReferrersPage(ctx, repo, d, artifactType, after, pageSize)
			var descs []orlop.Descriptor
			if err == nil {
				err = json.Unmarshal(fmt.Appendf(nil, "[%s]", list), &descs)
			}
			if err != nil {
				yield(orlop.Descriptor{}, err)
				return
			}
			for _, desc := range descs {
				if !yield(desc, nil) {
					return
				}
			}
			if after = next; after == "" {
				return
			}
		}
	}
}

// RepositoryInfo describes a repository. ErrNameUnknown if it is absent.
func (r *Registry) RepositoryInfo(ctx context.Context, repo string) (meta.RepositoryInfo, error) {
	if err := checkName(repo); err != nil {
		return meta.RepositoryInfo{}, err
	}
	info, err := r.db.RepositoryInfo(ctx, r.id, repo)
	return info, translate(err, nameUnknown(repo))
}

// TagInfo describes a tag. ErrTagUnknown, or ErrNameUnknown if the repository
// is absent.
func (r *Registry) TagInfo(ctx context.Context, repo, tag string) (meta.TagInfo, error) {
	if err := errors.Join(checkName(repo), checkTag(tag)); err != nil {
		return meta.TagInfo{}, err
	}
	info, err := r.db.TagInfo(ctx, r.id, repo, tag)
	if errors.Is(err, sqlmeta.ErrNotFound) {
		return info, r.absentIn(ctx, repo, orlop.ErrTagUnknown.WithDetail(map[string]string{"name": repo, "tag": tag}))
	}
	return info, translate(err, nil)
}

// TagInfos lists tags with what is known of them, and whether there are more.
func (r *Registry) TagInfos(ctx context.Context, repo string, q meta.TagQuery) ([]meta.TagInfo, bool, error) {
	if err := checkName(repo); err != nil {
		return nil, false, err
	}
	n := q.N
	q.N++
	tags, err := r.db.TagInfos(ctx, r.id, repo, q)
	if err != nil {
		return nil, false, translate(err, nameUnknown(repo))
	}
	tags, more := cut(tags, n)
	return tags, more, nil
}

// ManifestInfo describes a manifest. ErrManifestUnknown, or ErrNameUnknown if
// the repository is absent.
func (r *Registry) ManifestInfo(ctx context.Context, repo string, d digest.Digest) (meta.ManifestInfo, error) {
	if err := checkBoth(repo, d); err != nil {
		return meta.ManifestInfo{}, err
	}
	info, err := r.db.ManifestInfo(ctx, r.id, repo, d)
	if errors.Is(err, sqlmeta.ErrNotFound) {
		return info, r.absentIn(ctx, repo, orlop.ErrManifestUnknown.WithDetail(map[string]string{"name": repo, "digest": string(d)}))
	}
	return info, translate(err, nil)
}

// ManifestInfos lists manifests with what is known of them, and whether there
// are more.
func (r *Registry) ManifestInfos(ctx context.Context, repo string, q meta.ManifestQuery) ([]meta.ManifestInfo, bool, error) {
	if err := checkName(repo); err != nil {
		return nil, false, err
	}
	if q.After != "" {
		if err := checkDigest(digest.Digest(q.After)); err != nil {
			return nil, false, err
		}
	}
	n := q.N
	q.N++
	manifests, err := r.db.ManifestInfos(ctx, r.id, repo, q)
	if err != nil {
		return nil, false, translate(err, nameUnknown(repo))
	}
	manifests, more := cut(manifests, n)
	return manifests, more, nil
}
