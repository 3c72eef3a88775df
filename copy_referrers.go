package orlop

import (
	"context"
	"errors"
	"slices"
)

// copyReferrers copies what refers to the manifests that were visited, until
// there are no new ones.
func (c *copier) copyReferrers(ctx context.Context) error {
	for {
		c.mu.Lock()
		subjects := c.fresh
		c.fresh = nil
		c.mu.Unlock()
		if len(subjects) == 0 {
			return nil
		}
		if err := c.each(ctx, c.width(0), slices.Values(subjects), c.copyReferrersOf); err != nil {
			return err
		}
	}
}

// tagLast sets the tags when what refers to the root is there, so that nobody
// finds an artifact without its signatures. If the destination then says that
// parts are missing of what it had already, they are copied.
func (c *copier) tagLast(ctx context.Context, root Manifest) error {
	c.tags = c.o.Tags
	if len(c.tags) == 0 {
		return nil
	}
	desc := root.Descriptor
	err := c.gate.pass(ctx, desc.Size, func() error { return c.put(ctx, desc, desc.MediaType, root.Raw, c.tags) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrManifestBlobUnknown):
		return c.copyTree(ctx, desc, &root, false, true, 0)
	}
	return &CopyError{"tag manifest", Destination, desc, err}
}

func (c *copier) copyReferrersOf(ctx context.Context, subject Descriptor) error {
	referrers, err := c.listReferrers(ctx, subject)
	if err != nil {
		return err
	}
	return c.each(ctx, 1, slices.Values(referrers), func(ctx context.Context, desc Descriptor) error {
		return c.copyManifest(ctx, desc, nil, 1)
	})
}

func (c *copier) listReferrers(ctx context.Context, subject Descriptor) ([]Descriptor, error) {
	var referrers []Descriptor
	err := c.gate.pass(ctx, 0, func() error {
		for desc, err := range c.lister.Referrers(ctx, c.srcRepo, subject.Digest, "") {
			if err != nil {
				return err
			}
			c.mu.Lock()
			err = c.add(subject, 1)
			c.mu.Unlock()
			if err != nil {
				return err
			}
			referrers = append(referrers, desc)
		}
		return nil
	})
	if _, ok := errors.AsType[*CopyError](err); err != nil && !ok {
		err = &CopyError{"list referrers of", Source, subject, err}
	}
	return referrers, err
}
