package orlop

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/workers"
)

// node is a blob or manifest that is copied once, however often it is referred
// to.
type node struct {
	done  chan struct{} // closed when what follows is set
	err   error
	there bool // the destination says that it had it
}

type nodeKey struct {
	digest   digest.Digest
	manifest bool
}

// once runs f for the first caller of a node; the others wait for its result.
// A graph has no cycles in which they could wait for each other: a manifest
// cannot hold its own digest.
func (c *copier) once(ctx context.Context, key nodeKey, f func(*node) error) error {
	c.mu.Lock()
	n, ok := c.nodes[key]
	if !ok {
		n = &node{done: make(chan struct{})}
		c.nodes[key] = n
	}
	c.mu.Unlock()
	if !ok {
		n.err = f(n)
		close(n.done)
		return n.err
	}
	select {
	case <-n.done:
		return n.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// copyManifest copies a manifest and what it refers to. m is the manifest if it
// was read already, as the root is.
func (c *copier) copyManifest(ctx context.Context, desc Descriptor, m *Manifest, depth int) error {
	if depth > maxDepth {
		return tooLarge(desc, "deeper than %d", maxDepth)
	}
	return c.once(ctx, nodeKey{desc.Digest, true}, func(n *node) error {
		there, err := c.hasManifest(ctx, desc)
		if err != nil {
			return err
		}
		n.there = there
		root := depth == 0 && m != nil
		if there && !c.o.Referrers && (!root || len(c.o.Tags) == 0) {
			c.event(Exists, desc, 0)
			return nil
		}
		release, err := c.hold(ctx, desc)
		if err != nil {
			return err
		}
		defer release()
		if m == nil {
			m, err = c.readManifest(ctx, desc)
		}
		if depth > 0 && c.o.AllowMissing && errors.Is(err, ErrManifestUnknown) {
			c.event(Missing, desc, 0)
			return nil
		}
		if err != nil {
			return err
		}
		return c.copyTree(ctx, desc, m, there, root, depth)
	})
}

// copyTree copies the parts of a manifest that was read, then the manifest.
// there tells whether the destination has it.
func (c *copier) copyTree(ctx context.Context, desc Descriptor, m *Manifest, there, root bool, depth int) error {
	info, err := ParseManifest(cmp.Or(desc.MediaType, m.Descriptor.MediaType), m.Raw)
	if err != nil {
		return &CopyError{"read manifest", Source, desc, err}
	}
	if err := c.visit(desc, info); err != nil {
		return err
	}
	var tags []string
	if root {
		tags = c.tags
	}
	if there {
		if done, err := c.trust(ctx, desc, info, m.Raw, tags, depth); done || err != nil {
			return err
		}
	}
	if err := c.copyParts(ctx, info, depth); err != nil {
		return err
	}
	err = c.pushManifest(ctx, desc, info.MediaType, m.Raw, tags)
	if errors.Is(err, ErrManifestBlobUnknown) && c.doubt(info) {
		if err := c.copyParts(ctx, info, depth); err != nil {
			return err
		}
		err = c.pushManifest(ctx, desc, info.MediaType, m.Raw, tags)
	}
	return err
}

// trust takes a manifest that the destination has for whole, and only sets its
// tags. It is not done if the destination then says that parts are missing.
func (c *copier) trust(
	ctx context.Context, desc Descriptor, info ManifestInfo, raw []byte, tags []string, depth int,
) (done bool, err error) {
	if c.o.Referrers { // of the manifests below, too
		if err := c.copyChildren(ctx, info, depth); err != nil {
			return false, err
		}
	}
	if len(tags) > 0 {
		err := c.gate.pass(ctx, desc.Size, func() error { return c.put(ctx, desc, info.MediaType, raw, tags) })
		if errors.Is(err, ErrManifestBlobUnknown) {
			return false, nil
		}
		if err != nil {
			return false, &CopyError{"tag manifest", Destination, desc, err}
		}
	}
	c.event(Exists, desc, 0)
	return true, nil
}

// copyParts copies what a manifest refers to, blobs first.
func (c *copier) copyParts(ctx context.Context, info ManifestInfo, depth int) error {
	for _, layer := range info.Layers {
		if IsForeign(layer.MediaType) {
			c.event(Skipped, layer, 0)
		}
	}
	if c.expecter != nil {
		c.expecter.Expect(c.dstRepo, slices.Collect(info.Blobs()))
	}
	if err := c.each(ctx, c.gate.limit, info.Blobs(), c.copyBlob); err != nil {
		return err
	}
	return c.copyChildren(ctx, info, depth)
}

func (c *copier) copyChildren(ctx context.Context, info ManifestInfo, depth int) error {
	return c.each(ctx, c.width(depth), slices.Values(info.Children), func(ctx context.Context, child Descriptor) error {
		return c.copyManifest(ctx, child, nil, depth+1)
	})
}

// width is how many manifests are copied at once at a depth.
func (c *copier) width(depth int) int {
	if c.expecter != nil {
		return 1
	}
	return c.gate.width(depth)
}

// each calls f for every descriptor, several at once. An error ends the whole
// copy: others may wait for the same blob.
func (c *copier) each(
	ctx context.Context, limit int, descs iter.Seq[Descriptor], f func(context.Context, Descriptor) error,
) error {
	return workers.Each(ctx, limit, descs, func(ctx context.Context, desc Descriptor) error {
		err := f(ctx, desc)
		if err != nil {
			c.cancel(err)
		}
		return err
	})
}
