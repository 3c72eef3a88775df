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
	maxHeld  = 64 << 20 // bytes of manifests whose parts are being copied
	// wideDepth is down to which depth several manifests of an index are copied
	// at once: deeper, concurrency would multiply once more with every level.
	wideDepth = 2
)

// node is a blob or manifest that is copied once, however often it is referred
// to.
type node struct {
	done chan struct{} // closed when err is set
	err  error
}

type nodeKey struct {
	digest   digest.Digest
	manifest bool
}

// once runs f for the first caller of a node; the others wait for its result.
// A graph has no cycles in which they could wait for each other: a manifest
// cannot hold its own digest.
func (c *copier) once(ctx context.Context, key nodeKey, f func() error) error {
	c.mu.Lock()
	n, ok := c.nodes[key]
	if !ok {
		n = &node{done: make(chan struct{})}
		c.nodes[key] = n
	}
	c.mu.Unlock()
	if !ok {
		n.err = f()
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
		return &CopyError{"read manifest", Source, desc, fmt.Errorf("%w: deeper than %d", ErrTooLarge, maxDepth)}
	}
	return c.once(ctx, nodeKey{desc.Digest, true}, func() error {
		there, err := c.hasManifest(ctx, desc)
		if err != nil {
			return err
		}
		root := depth == 0 && m != nil
		if there && !c.o.Force && !c.o.Referrers && (!root || len(c.o.Tags) == 0) {
			c.event(Exists, desc, 0)
			return nil
		}
		if m == nil {
			if m, err = c.readManifest(ctx, desc); err != nil {
				return err
			}
		}
		return c.copyTree(ctx, desc, m, there, root, depth)
	})
}

// copyTree copies the parts of a manifest that was read, then the manifest.
// there tells whether the destination has it.
func (c *copier) copyTree(ctx context.Context, desc Descriptor, m *Manifest, there, root bool, depth int) error {
	release, err := c.hold(desc)
	if err != nil {
		return err
	}
	defer release()
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
	if err := c.copyBlobs(ctx, info); err != nil {
		return err
	}
	if err := c.copyChildren(ctx, info, depth); err != nil {
		return err
	}
	return c.pushManifest(ctx, desc, info.MediaType, m.Raw, tags)
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
		err := c.transfer(ctx, func() error { return c.put(ctx, desc, info.MediaType, raw, tags) })
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

func (c *copier) copyBlobs(ctx context.Context, info ManifestInfo) error {
	for _, layer := range info.Layers {
		if IsForeign(layer.MediaType) {
			c.event(Skipped, layer, 0)
		}
	}
	return each(ctx, c.o.Concurrency, info.Blobs(), c.copyBlob)
}

func (c *copier) copyChildren(ctx context.Context, info ManifestInfo, depth int) error {
	limit := c.o.Concurrency
	if depth > wideDepth {
		limit = 1
	}
	return each(ctx, limit, slices.Values(info.Children), func(ctx context.Context, child Descriptor) error {
		return c.copyManifest(ctx, child, nil, depth+1)
	})
}

// each calls f for every descriptor, several at once.
func each(ctx context.Context, limit int, descs iter.Seq[Descriptor], f func(context.Context, Descriptor) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(limit)
	for desc := range descs {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error { return f(gctx, desc) })
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
		return &CopyError{"read manifest", Source, desc, fmt.Errorf("%w: more than %d references", ErrTooLarge, c.o.MaxNodes)}
	}
	return nil
}

// hold accounts for a manifest that stays in memory until release.
func (c *copier) hold(desc Descriptor) (release func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held+desc.Size > maxHeld {
		return nil, &CopyError{"read manifest", Source, desc, fmt.Errorf("%w: manifests of %d bytes", ErrTooLarge, maxHeld)}
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
	if c.o.Force {
		return false, nil
	}
	err = c.transfer(ctx, func() error {
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
	if desc.Size > MaxManifestSize {
		return nil, &CopyError{"read manifest", Source, desc, fmt.Errorf("%w: %d bytes", ErrTooLarge, desc.Size)}
	}
	var m Manifest
	err := c.transfer(ctx, func() (err error) {
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
	if err := c.transfer(ctx, func() error { return c.put(ctx, desc, mediaType, raw, tags) }); err != nil {
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
