package registries

import (
	"context"
	"iter"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// Repositories implements orlop.Lister.
func (r *Registry) Repositories(ctx context.Context, after string) iter.Seq2[string, error] {
	return list(ctx, r, []*endpoint{r.named}, "", func(e Endpoint, _ string) iter.Seq2[string, error] {
		return e.Repositories(ctx, after)
	})
}

// Tags implements orlop.Lister.
func (r *Registry) Tags(ctx context.Context, repo, after string) iter.Seq2[string, error] {
	return list(ctx, r, r.lists(repo), repo, func(e Endpoint, repo string) iter.Seq2[string, error] {
		return e.Tags(ctx, repo, after)
	})
}

// Referrers implements orlop.Lister.
func (r *Registry) Referrers(ctx context.Context, repo string, dgst digest.Digest, artifactType string) iter.Seq2[orlop.Descriptor, error] {
	return list(ctx, r, r.lists(repo), repo, func(e Endpoint, repo string) iter.Seq2[orlop.Descriptor, error] {
		return e.Referrers(ctx, repo, dgst, artifactType)
	})
}

// lists are the sources of lists in the order in which they are asked: a mirror
// may hold a part only and would not say so, so the location comes first.
func (r *Registry) lists(repo string) []*endpoint {
	if repo != r.named.Repo {
		return []*endpoint{r.named}
	}
	last := len(r.reads) - 1
	return slices.Concat(r.reads[last:], r.reads[:last])
}

// list lists what the first source says that fails not before its first element.
func list[T any](
	ctx context.Context, r *Registry, sources []*endpoint, repo string, all func(Endpoint, string) iter.Seq2[T, error],
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		var first error
		for _, s := range sources {
			name := repo
			if repo == r.named.Repo {
				name = s.Repo
			}
			reg, err := s.open(ctx)
			if err == nil {
				var more bool
				if more, err = forward(all(reg, name), yield); !more {
					return
				}
			}
			if first == nil {
				first = err
			}
		}
		yield(none, first)
	}
}

// forward passes a list on. It asks for another source, by the error, if the
// list fails before its first element.
func forward[T any](seq iter.Seq2[T, error], yield func(T, error) bool) (more bool, err error) {
	begun := false
	for v, err := range seq {
		if err != nil && !begun {
			return true, err
		}
		begun = true
		if !yield(v, err) {
			return false, nil
		}
	}
	return false, nil
}
