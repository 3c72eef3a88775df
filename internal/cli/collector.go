package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

// Bounds on what a hostile artifact can make the client read and hold.
const (
	maxDepth         = 64       // of indexes in indexes
	maxManifests     = 10_000   // in all
	maxManifestBytes = 32 << 20 // of all manifests together
	manifestsAtOnce  = 8
)

// collector reads a manifest and those that it leads to, and finds the blobs of
// an artifact.
type collector struct {
	from           *target
	progress       *output.Progress
	artifactType   string // of manifests; "" is any
	includeSubject bool

	manifests []orlop.Descriptor // in the order in which they were read
	root      orlop.ManifestInfo // of the first
	parts     []part
	seen      map[digest.Digest]bool // of manifests
	bytes     int64                  // of manifests
	matched   bool                   // a manifest is of artifactType
	leftOut   bool                   // another was left out
	otherType string                 // the type of that one
}

// part is a blob of an artifact.
type part struct {
	desc     orlop.Descriptor
	config   bool              // a configuration, no layer
	manifest digest.Digest     // that refers to it
	platform *ocispec.Platform // of that manifest, as its index says; nil if unknown
	dir      string            // where to write it, below the output directory
}

// node is a manifest to read.
type node struct {
	desc    orlop.Descriptor
	anyType bool   // whatever artifactType says
	dir     string // see part
}

func newCollector(from *target, p *output.Progress) *collector {
	return &collector{from: from, progress: p, seen: map[digest.Digest]bool{}}
}

// collect finds the blobs of the manifest root and of all that it leads to.
func (c *collector) collect(ctx context.Context, root orlop.Manifest) error {
	n := node{desc: root.Descriptor}
	n.desc.Annotations = nil // its own are not its name
	c.seen[n.desc.Digest] = true
	next, err := c.add(n, root)
	if err != nil {
		return err
	}
	if err := c.walk(ctx, next); err != nil {
		return err
	}
	return c.checkType()
}

// artifact describes the first manifest with what it says of itself.
func (c *collector) artifact() orlop.Descriptor {
	d := c.manifests[0]
	d.ArtifactType, d.Annotations = c.root.ArtifactType, c.root.Annotations
	return d
}

// checkType fails if manifests were left out and none is left.
func (c *collector) checkType() error {
	if c.matched || !c.leftOut {
		return nil
	}
	return withHint(c.from.about(fmt.Errorf("%s has no artifact of the type %s", c.from.typed, c.artifactType)),
		"it is of the type %s", cmp.Or(c.otherType, "none"))
}

// walk reads manifests level by level, so that those of an index are read
// several at once.
func (c *collector) walk(ctx context.Context, level []node) (err error) {
	for depth := 1; len(level) > 0; depth++ {
		if depth > maxDepth {
			return fmt.Errorf("%s has indexes in indexes, more than %d deep", c.from.typed, maxDepth)
		}
		if level, err = c.descend(ctx, level); err != nil {
			return err
		}
	}
	return nil
}

// descend reads the manifests of a level and returns those of the next.
func (c *collector) descend(ctx context.Context, level []node) (next []node, err error) {
	for some := range slices.Chunk(level, manifestsAtOnce) {
		manifests, err := c.read(ctx, some)
		if err != nil {
			return nil, err
		}
		for i, m := range manifests {
			more, err := c.add(some[i], m)
			if err != nil {
				return nil, err
			}
			next = append(next, more...)
		}
	}
	return next, nil
}

func (c *collector) read(ctx context.Context, nodes []node) ([]orlop.Manifest, error) {
	manifests := make([]orlop.Manifest, len(nodes))
	g, ctx := errgroup.WithContext(ctx)
	for i, n := range nodes {
		g.Go(func() (err error) {
			manifests[i], err = c.from.Manifest(ctx, c.from.repo, string(n.desc.Digest))
			return c.from.aboutRef(c.from.digested(n.desc.Digest), err)
		})
	}
	return manifests, g.Wait()
}

// add takes the blobs of a manifest and returns the manifests that it leads to.
func (c *collector) add(n node, m orlop.Manifest) ([]node, error) {
	if c.bytes += int64(len(m.Raw)); c.bytes > maxManifestBytes {
		return nil, fmt.Errorf("the manifests of %s have more than %d MiB", c.from.typed, maxManifestBytes>>20)
	}
	info, err := orlop.ParseManifest(m.Descriptor.MediaType, m.Raw)
	if err != nil {
		return nil, c.from.aboutRef(c.from.digested(m.Descriptor.Digest), err)
	}
	if !n.anyType && !c.wants(info.MediaType, info.ArtifactType) {
		return nil, nil
	}
	if len(c.manifests) == 0 {
		c.root = info
	}
	d := orlop.Descriptor{MediaType: info.MediaType, Digest: m.Descriptor.Digest, Size: m.Descriptor.Size, Annotations: n.desc.Annotations}
	c.manifests = append(c.manifests, d)
	c.progress.Event("Downloading", d)
	c.progress.Event("Processing", d)
	c.addParts(n, info)
	return c.next(n, info)
}

// wants tells whether a manifest is of the wanted type. Indexes are, for what
// is in them may be.
func (c *collector) wants(mediaType, artifactType string) bool {
	if c.artifactType == "" || orlop.IsIndex(mediaType) {
		return true
	}
	if artifactType == c.artifactType {
		c.matched = true
		return true
	}
	c.leftOut, c.otherType = true, artifactType
	return false
}

func (c *collector) addParts(n node, info orlop.ManifestInfo) {
	p := part{manifest: n.desc.Digest, platform: n.desc.Platform, dir: n.dir}
	if info.Config != nil {
		config := p
		config.desc, config.config = *info.Config, true
		c.parts = append(c.parts, config)
	}
	for _, d := range info.Layers {
		p.desc = d
		c.parts = append(c.parts, p)
	}
}

// next returns the manifests of an index, and the subject, that have not been
// seen.
func (c *collector) next(n node, info orlop.ManifestInfo) ([]node, error) {
	var next []node
	for _, d := range info.Children {
		if d.ArtifactType == "" || n.anyType || c.wants(d.MediaType, d.ArtifactType) {
			next = append(next, node{desc: d, anyType: n.anyType, dir: n.dir})
		}
	}
	if c.includeSubject && info.Subject != nil {
		next = append(next, node{desc: *info.Subject, anyType: true, dir: n.dir})
	}
	return c.unseen(next)
}

var errManyManifests = errors.New("too many manifests")

func (c *collector) unseen(nodes []node) ([]node, error) {
	nodes = slices.DeleteFunc(nodes, func(n node) bool {
		seen := c.seen[n.desc.Digest]
		c.seen[n.desc.Digest] = true
		return seen
	})
	if len(c.seen) > maxManifests {
		return nil, fmt.Errorf("%w: %s leads to more than %d", errManyManifests, c.from.typed, maxManifests)
	}
	return nodes, nil
}
