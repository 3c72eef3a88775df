package orlop

import (
	"context"
	"fmt"
)

// Bounds on what a hostile source can make Copy hold.
const (
	maxDepth = 64       // of indexes in indexes
	maxHeld  = 64 << 20 // bytes of indexes, and of other manifests, whose parts are being copied
)

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
