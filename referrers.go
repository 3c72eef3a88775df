package orlop

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/opencontainers/go-digest"
)

// ErrTooLarge: a graph has more nodes, or is deeper, than the options allow.
var ErrTooLarge = errors.New("graph is too large")

// defaultMaxNodes bounds what a hostile registry can make a walk hold.
const defaultMaxNodes = 100_000

// Referrer is a manifest found by WalkReferrers.
type Referrer struct {
	Descriptor Descriptor    // with artifact type and annotations
	Subject    digest.Digest // the manifest it refers to
	Depth      int           // 1 for a referrer of the root, 2 for a referrer of that, …
}

// WalkOptions bound a walk.
type WalkOptions struct {
	// ArtifactType leaves out manifests of another type at every level, and
	// with them what refers to them. Empty: all.
	ArtifactType string
	MaxDepth     int // 0: no bound
	MaxNodes     int // referrers listed in all; more give ErrTooLarge; 0: 100,000
}

// WalkReferrers yields what refers to the manifest root, what refers to that,
// and so on: each referrer before its own, those of one subject in the order of
// the registry, each once. It ends with the first error.
func WalkReferrers(
	ctx context.Context, r Lister, repo string, root digest.Digest, o WalkOptions,
) iter.Seq2[Referrer, error] {
	if o.MaxNodes == 0 {
		o.MaxNodes = defaultMaxNodes
	}
	return func(yield func(Referrer, error) bool) {
		w := walk{lister: r, repo: repo, o: o, seen: map[digest.Digest]bool{root: true}}
		next, err := w.referrers(ctx, root, 1)
		for err == nil && len(next) > 0 {
			last := len(next) - 1
			referrer := next[last]
			if !yield(referrer, nil) {
				return
			}
			var more []Referrer
			more, err = w.referrers(ctx, referrer.Descriptor.Digest, referrer.Depth+1)
			next = append(next[:last], more...)
		}
		if err != nil {
			yield(Referrer{}, err)
		}
	}
}

// walk is the state of WalkReferrers.
type walk struct {
	lister Lister
	repo   string
	o      WalkOptions
	seen   map[digest.Digest]bool
	listed int
}

// referrers returns the referrers of subject that are new, the last first.
func (w *walk) referrers(ctx context.Context, subject digest.Digest, depth int) ([]Referrer, error) {
	if w.o.MaxDepth > 0 && depth > w.o.MaxDepth {
		return nil, nil
	}
	var found []Referrer
	for desc, err := range w.lister.Referrers(ctx, w.repo, subject, w.o.ArtifactType) {
		if err != nil {
			return nil, fmt.Errorf("referrers of %s: %w", subject, err)
		}
		if w.listed++; w.listed > w.o.MaxNodes {
			return nil, fmt.Errorf("referrers of %s: %w: more than %d", subject, ErrTooLarge, w.o.MaxNodes)
		}
		if !w.seen[desc.Digest] {
			w.seen[desc.Digest] = true
			found = append(found, Referrer{Descriptor: desc, Subject: subject, Depth: depth})
		}
	}
	slices.Reverse(found)
	return found, nil
}
