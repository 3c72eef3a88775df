package orlop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
)

// copyBlob makes a blob available at the destination.
func (c *copier) copyBlob(ctx context.Context, desc Descriptor) error {
	return c.once(ctx, nodeKey{desc.Digest, false}, func(n *node) error {
		if done, err := c.mountFromSource(ctx, desc); err != nil || done {
			return err
		}
		return c.gate.pass(ctx, desc.Size, func() error {
			if done, err := c.findBlob(ctx, n, desc); err != nil || done {
				return err
			}
			return c.sendBlob(ctx, desc)
		})
	})
}

// findBlob is done if a blob need not be sent: the destination has it, or can
// mount it. Not as many are asked for at once as small ones are sent, for each is
// a request.
func (c *copier) findBlob(ctx context.Context, n *node, desc Descriptor) (done bool, err error) {
	if err := c.asking.Acquire(ctx, 1); err != nil {
		return false, err
	}
	defer c.asking.Release(1)
	if n.there, err = c.hasBlob(ctx, desc); err != nil || n.there {
		return n.there, err
	}
	return c.mountBlob(ctx, desc)
}

// hasBlob tells whether the destination has a blob, as far as it is worth a
// question. One of another size is damaged, and pushing it again heals it.
func (c *copier) hasBlob(ctx context.Context, desc Descriptor) (bool, error) {
	if c.mounter != nil {
		if ask, err := c.guess.ask(ctx, desc.Size); err != nil || !ask {
			return false, err
		}
	}
	there, err := c.dst.StatBlob(ctx, c.dstRepo, desc.Digest)
	c.guess.learn(desc.Size, err == nil)
	if err == nil && there.Size == desc.Size {
		c.event(Exists, desc, 0)
		return true, nil
	}
	if err != nil && !absent(err) {
		return false, &CopyError{"look for blob", Destination, desc, err}
	}
	return false, nil
}

// mountFromSource mounts a blob of the repository that is copied from, if that is
// one of the destination's registry: there it is, so that it need not be asked for,
// and needs no room for its content. The first attempt goes ahead alone, and if it
// fails it was the last.
func (c *copier) mountFromSource(ctx context.Context, desc Descriptor) (bool, error) {
	if c.o.Force || c.srcRepo == c.dstRepo || !slices.Contains(c.o.MountFrom, c.srcRepo) {
		return false, nil
	}
	first := false
	c.near.Do(func() {
		first = true
		c.nearErr = c.mountNear(ctx, desc)
	})
	err := c.nearErr
	if err == nil && !first {
		err = c.mountNear(ctx, desc)
	}
	if err != nil {
		return false, ctx.Err()
	}
	c.event(Mounted, desc, 0)
	return true, nil
}

func (c *copier) mountNear(ctx context.Context, desc Descriptor) error {
	return c.gate.pass(ctx, 0, func() error { return c.dst.MountBlob(ctx, c.dstRepo, c.srcRepo, desc.Digest) })
}

// mountBlob tries to mount a blob. The last repository is left to sendBlob if
// that can try it without a request of its own.
func (c *copier) mountBlob(ctx context.Context, desc Descriptor) (bool, error) {
	from := c.o.MountFrom
	if c.mounter != nil && len(from) > 0 {
		from = from[:len(from)-1]
	}
	for _, from := range from {
		err := c.dst.MountBlob(ctx, c.dstRepo, from, desc.Digest)
		if err == nil {
			c.event(Mounted, desc, 0)
			return true, nil
		}
		if ctx.Err() != nil { // whatever else the reason, the blob can be sent
			return false, ctx.Err()
		}
	}
	return false, nil
}

func (c *copier) sendBlob(ctx context.Context, desc Descriptor) error {
	readCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	content := c.content(readCtx, desc)
	mounted, err := c.pushBlob(ctx, desc, content)
	cancel() // a read that the destination has left behind ends
	readErr := content.Close()
	switch {
	case err == nil && mounted:
		c.event(Mounted, desc, 0)
		return nil
	case err == nil:
		content.begin() // if it is empty
		c.event(Done, desc, desc.Size)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case readErr != nil && !errors.Is(readErr, context.Canceled):
		return &CopyError{"read blob", Source, desc, readErr}
	case c.checked && errors.Is(err, ErrDigestInvalid):
		return &CopyError{"read blob", Source, desc, ErrDamaged} // it was checked as it came from there
	}
	return &CopyError{"push blob", Destination, desc, err}
}

func (c *copier) pushBlob(ctx context.Context, desc Descriptor, content *content) (mounted bool, err error) {
	if c.mounter == nil {
		return false, c.dst.PushBlob(ctx, c.dstRepo, desc, content)
	}
	from := ""
	if n := len(c.o.MountFrom); n > 0 {
		from = c.o.MountFrom[n-1]
	}
	return c.mounter.PushOrMount(ctx, c.dstRepo, from, desc, content)
}

// content reads a blob from the source, or from the descriptor if that carries
// it (image-spec, "Embedded Content").
func (c *copier) content(ctx context.Context, desc Descriptor) *content {
	open := func(off int64) (r io.ReadCloser, err error) {
		if off == 0 {
			r, err = OpenWhole(ctx, c.src, c.srcRepo, desc)
		} else {
			r, err = c.src.OpenBlob(ctx, c.srcRepo, desc.Digest, off, -1)
		}
		if u, ok := r.(UncheckedReader); ok && err == nil && c.checked {
			u.Unchecked()
		}
		return r, err
	}
	if int64(len(desc.Data)) == desc.Size && desc.Digest.Algorithm().FromBytes(desc.Data) == desc.Digest {
		open = func(off int64) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(desc.Data[off:])), nil
		}
	}
	return &content{
		ctx: ctx, open: open, size: desc.Size, attempts: c.o.Attempts,
		begin:    sync.OnceFunc(func() { c.event(Started, desc, 0) }),
		progress: func(n int64) { c.event(Bytes, desc, n) },
	}
}
