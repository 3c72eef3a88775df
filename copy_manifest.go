package orlop

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
)

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

// doubt forgets the parts of a manifest that the destination said it had: they
// are to be looked for again, and manifests among them sent again. It tells
// whether there are any.
func (c *copier) doubt(info ManifestInfo) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := false
	forget := func(key nodeKey) {
		if c.doubted[key] { // for another manifest; it is under way or there by now
			found = true
		} else if n := c.nodes[key]; n != nil && n.there { // and done, since the caller waited for it
			delete(c.nodes, key)
			c.doubted[key] = true
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
