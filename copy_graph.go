package orlop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// Bounds on what a hostile source can make Copy hold.
const (
	maxDepth = 64       // of indexes in indexes
	maxHeld  = 64 << 20 // bytes of indexes, and of other manifests, whose parts are being copied
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
		tags = c.o.Tags
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

// doubt forgets the parts of a manifest that the destination said it had: they
// are to be looked for again, and manifests among them sent again. It tells
// whether there are any.
func (c *copier) doubt(info ManifestInfo) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := false
	forget := func(key nodeKey) {
		if n := c.nodes[key]; n != nil && n.there { // it is done, since the caller waited for it
			delete(c.nodes, key)
			c.doubted[key] = key.manifest
			found = true
		}
	}
	for blob := range info.Blobs() {
		forget(nodeKey{blob.Digest, false})
	}
	for _, child := range info.Children {
		forget(nodeKey{child.Digest, true})
	}
	return found
}

func (c *copier) isDoubted(key nodeKey) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doubted[key]
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
	if err := c.each(ctx, c.gate.limit, info.Blobs(), c.copyBlob); err != nil {
		return err
	}
	return c.copyChildren(ctx, info, depth)
}

func (c *copier) copyChildren(ctx context.Context, info ManifestInfo, depth int) error {
	return c.each(ctx, c.gate.width(depth), slices.Values(info.Children), func(ctx context.Context, child Descriptor) error {
		return c.copyManifest(ctx, child, nil, depth+1)
	})
}

// each calls f for every descriptor, several at once. An error ends the whole
// copy: others may wait for the same blob.
func (c *copier) each(
	ctx context.Context, limit int, descs iter.Seq[Descriptor], f func(context.Context, Descriptor) error,
) error {
	var g errgroup.Group
	g.SetLimit(limit)
	for desc := range descs {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			err := f(ctx, desc)
			if err != nil {
				c.cancel(err)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// visit counts what a manifest refers to, and notes the manifest for its
// referrers.
func (c *copier) visit(desc Descriptor, info ManifestInfo) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.o.Referrers {
		c.fresh = append(c.fresh, Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size})
	}
	return c.add(desc, 1+len(info.Layers)+len(info.Children))
}

// add counts references. c.mu must be held.
func (c *copier) add(desc Descriptor, n int) error {
	c.count += n
	if c.count > c.o.MaxNodes {
		return tooLarge(desc, "more than %d references", c.o.MaxNodes)
	}
	return nil
}

func tooLarge(desc Descriptor, format string, bound int) error {
	return &CopyError{"read manifest", Source, desc, fmt.Errorf("%w: "+format, ErrTooLarge, bound)}
}

// hold accounts for a manifest that will be in memory until release. One that
// refers to no manifests, and so waits for none, waits for its turn.
func (c *copier) hold(ctx context.Context, desc Descriptor) (release func(), err error) {
	if desc.Size > MaxManifestSize {
		return nil, tooLarge(desc, "a manifest of more than %d bytes", MaxManifestSize)
	}
	if IsManifest(desc.MediaType) && !IsIndex(desc.MediaType) {
		size := max(desc.Size, 0) // a listing may say anything
		return func() { c.leaves.Release(size) }, c.leaves.Acquire(ctx, size)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held+desc.Size > maxHeld {
		return nil, tooLarge(desc, "indexes of %d bytes", maxHeld)
	}
	c.held += desc.Size
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.held -= desc.Size
	}, nil
}

// hasManifest asks the destination for a manifest, unless it is to be sent
// anyway.
func (c *copier) hasManifest(ctx context.Context, desc Descriptor) (there bool, err error) {
	if c.o.Force || c.isDoubted(nodeKey{desc.Digest, true}) {
		return false, nil
	}
	err = c.gate.pass(ctx, 0, func() error {
		_, err := c.dst.Resolve(ctx, c.dstRepo, string(desc.Digest))
		return err
	})
	switch {
	case err == nil:
		return true, nil
	case absent(err):
		return false, nil
	}
	return false, &CopyError{"look for manifest", Destination, desc, err}
}

func (c *copier) readManifest(ctx context.Context, desc Descriptor) (*Manifest, error) {
	var m Manifest
	err := c.gate.pass(ctx, desc.Size, func() (err error) {
		m, err = c.src.Manifest(ctx, c.srcRepo, string(desc.Digest))
		return err
	})
	if err != nil {
		return nil, &CopyError{"read manifest", Source, desc, err}
	}
	return &m, c.checkManifest(desc, m)
}

// pushManifest stores a manifest whose parts are there.
func (c *copier) pushManifest(ctx context.Context, desc Descriptor, mediaType string, raw []byte, tags []string) error {
	c.event(Started, desc, 0)
	if err := c.gate.pass(ctx, desc.Size, func() error { return c.put(ctx, desc, mediaType, raw, tags) }); err != nil {
		return &CopyError{"push manifest", Destination, desc, err}
	}
	c.event(Bytes, desc, desc.Size)
	c.event(Done, desc, desc.Size)
	return nil
}

func (c *copier) put(ctx context.Context, desc Descriptor, mediaType string, raw []byte, tags []string) error {
	var stored Descriptor
	var err error
	if desc.Digest.Algorithm() == digest.Canonical {
		stored, err = c.dst.PushManifest(ctx, c.dstRepo, mediaType, raw, tags...)
	} else if pusher, ok := c.dst.(DigestPusher); ok {
		stored, err = pusher.PushManifestDigest(ctx, c.dstRepo, mediaType, desc.Digest, raw, tags...)
	} else {
		return ErrUnsupported.With("it stores manifests by SHA-256 only")
	}
	if err == nil && stored.Digest != desc.Digest {
		return fmt.Errorf("the manifest was stored as %s", stored.Digest)
	}
	return err
}
