package orlop

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

// ErrTooLarge: a graph has more nodes, or is deeper, than the options allow.
var ErrTooLarge = errors.New("graph is too large")

// What a hostile registry can make a walk hold.
const (
	defaultMaxNodes  = 100_000
	maxReferrerBytes = 256 << 20 // of all types and annotations listed
)

// listers is how many lists of referrers are asked for at once.
const listers = 8

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
// the registry, each once. It ends with the first error. Lists that will be
// needed are asked for ahead, several at once.
func WalkReferrers(
	ctx context.Context, r Lister, repo string, root digest.Digest, o WalkOptions,
) iter.Seq2[Referrer, error] {
	if o.MaxNodes == 0 {
		o.MaxNodes = defaultMaxNodes
	}
	return func(yield func(Referrer, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		w := walk{lister: r, repo: repo, o: o, seen: map[digest.Digest]bool{root: true}}
		defer w.running.Wait()
		defer stop()
		first := &walkNode{Referrer: Referrer{Descriptor: Descriptor{Digest: root}}}
		stack := []*walkNode{first}
		for len(stack) > 0 {
			w.askAhead(ctx, stack)
			node := stack[len(stack)-1]
			if node != first && !yield(node.Referrer, nil) {
				return
			}
			below, err := w.below(node)
			if err != nil {
				yield(Referrer{}, err)
				return
			}
			stack = append(stack[:len(stack)-1], below...)
		}
	}
}

// walk is the state of WalkReferrers.
type walk struct {
	lister  Lister
	repo    string
	o       WalkOptions
	seen    map[digest.Digest]bool
	running sync.WaitGroup

	nodes, bytes atomic.Int64 // listed so far
}

// walkNode is a manifest whose referrers are to be listed.
type walkNode struct {
	Referrer
	listed chan struct{} // closed when what follows is there; nil: not yet asked for
	found  []Descriptor
	err    error
}

// askAhead asks for the lists of the next nodes, those at the end of the stack.
func (w *walk) askAhead(ctx context.Context, stack []*walkNode) {
	for _, node := range stack[max(len(stack)-listers, 0):] {
		if node.listed != nil || w.o.MaxDepth > 0 && node.Depth >= w.o.MaxDepth {
			continue
		}
		node.listed = make(chan struct{})
		w.running.Go(func() {
			defer close(node.listed)
			node.found, node.err = w.list(ctx, node.Descriptor.Digest)
		})
	}
}

// list returns the referrers of a manifest. It is called concurrently.
func (w *walk) list(ctx context.Context, subject digest.Digest) ([]Descriptor, error) {
	var found []Descriptor
	for desc, err := range w.lister.Referrers(ctx, w.repo, subject, w.o.ArtifactType) {
		if err != nil {
			return nil, fmt.Errorf("referrers of %s: %w", subject, err)
		}
		if w.nodes.Add(1) > int64(w.o.MaxNodes) {
			return nil, fmt.Errorf("referrers of %s: %w: more than %d", subject, ErrTooLarge, w.o.MaxNodes)
		}
		if w.bytes.Add(textSize(desc)) > maxReferrerBytes {
			return nil, fmt.Errorf("referrers of %s: %w: more than %d bytes", subject, ErrTooLarge, maxReferrerBytes)
		}
		found = append(found, desc)
	}
	return found, nil
}

// textSize is the size of what may be long in a descriptor.
func textSize(d Descriptor) int64 {
	n := len(d.MediaType) + len(d.ArtifactType) + len(d.Data)
	for k, v := range d.Annotations {
		n += len(k) + len(v)
	}
	for _, url := range d.URLs {
		n += len(url)
	}
	return int64(n)
}

// below waits for the list of a node and returns what is new in it, the last
// first, for a stack.
func (w *walk) below(node *walkNode) ([]*walkNode, error) {
	if node.listed == nil {
		return nil, nil
	}
	<-node.listed
	var nodes []*walkNode
	for _, desc := range node.found {
		if !w.seen[desc.Digest] {
			w.seen[desc.Digest] = true
			nodes = append(nodes, &walkNode{Referrer: Referrer{desc, node.Descriptor.Digest, node.Depth + 1}})
		}
	}
	slices.Reverse(nodes)
	return nodes, node.err
}
