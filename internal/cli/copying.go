package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/remote/auth"
)

// root reads what is to be copied.
func (o *copyOptions) root(ctx context.Context, env *Env, from *target) (orlop.Manifest, error) {
	m, err := from.Manifest(ctx, from.repo, from.reference)
	if err != nil {
		return orlop.Manifest{}, atEnd(from, orlop.Source, err)
	}
	root, err := selectPlatforms(ctx, from, m, o.platformsOptions.parsed)
	if err != nil {
		return orlop.Manifest{}, atEnd(from, orlop.Source, err)
	}
	if o.recursive && orlop.IsIndex(root.Descriptor.MediaType) && root.Descriptor.Digest != m.Descriptor.Digest {
		output.NewPrinter(env.Stderr).Line("WARNING: what refers to %s is not copied, for the index of fewer platforms is another", from.typed)
	}
	return root, nil
}

// copying is one run of cp.
type copying struct {
	opts     *copyOptions
	from, to *target
	root     orlop.Manifest
}

func (c *copying) run(ctx context.Context, env *Env) error {
	if d := digest.Digest(c.to.reference); isDigest(c.to.reference) && d != c.root.Descriptor.Digest {
		return atEnd(c.to, orlop.Destination, local(orlop.ErrDigestInvalid.With(
			fmt.Sprintf("%s has the digest %s", c.from.typed, c.root.Descriptor.Digest))))
	}
	out := output.NewPrinter(env.Stdout)
	p := progress(env, &c.opts.commonOptions, &c.opts.ttyOptions, c.opts.formatOptions.parsed, out,
		"Copying", "Copied", "Exists", "Mounted", "Skipped")
	moved := newTransfers(p, "Copying", "Copied")
	err := c.copy(ctx, moved)
	p.Close()
	if err != nil {
		return err
	}
	if !c.opts.formatOptions.parsed.IsText() {
		return c.opts.formatOptions.parsed.Write(env.Stdout, c.result(moved))
	}
	out.Line("Copied %s => %s", c.from, c.to)
	for _, tag := range c.to.furtherTags() {
		out.Line("Tagged %s", tag)
	}
	out.Line("Digest: %s", c.root.Descriptor.Digest)
	return out.Err()
}

func (c *copying) copy(ctx context.Context, moved *transfers) error {
	ctx = auth.WithScopes(ctx, c.to.host(), auth.Scope(c.to.repo, "pull", "push"))
	src := rooted{c.from.Registry, c.root}
	_, err := orlop.Copy(ctx, c.to.Registry, c.to.repo, src, c.from.repo, string(c.root.Descriptor.Digest), orlop.CopyOptions{
		Tags:        c.to.tags,
		Concurrency: c.opts.concurrency,
		MountFrom:   c.mountFrom(),
		Force:       c.opts.force,
		Referrers:   c.opts.recursive,
		Progress:    moved.event,
	})
	if err != nil {
		return copyFailure(c.from, c.to, err)
	}
	return atEnd(c.to, orlop.Destination, c.to.commit(ctx))
}

// mountFrom is where the destination's registry has the content already: the
// source, if it is the same registry.
func (c *copying) mountFrom() []string {
	if c.from.host() == "" || c.from.host() != c.to.host() {
		return nil
	}
	return []string{c.from.repo}
}

func (c *copying) result(moved *transfers) copyResult {
	r := copyResult{
		Reference: c.to.digested(c.root.Descriptor.Digest), Source: c.from.typed,
		descriptor: describe(c.root.Descriptor), ReferenceAsTags: []string{}, Summary: moved.summary(),
	}
	for _, tag := range c.to.tags {
		r.ReferenceAsTags = append(r.ReferenceAsTags, c.to.at(tag))
	}
	slices.Sort(r.ReferenceAsTags)
	return r
}

// rooted is a source with one manifest that has been read already, or was made
// of another.
type rooted struct {
	orlop.Registry
	root orlop.Manifest
}

func (r rooted) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	if reference == string(r.root.Descriptor.Digest) {
		return r.root, nil
	}
	return r.Registry.Manifest(ctx, repo, reference)
}

// ReadBlob implements orlop.SmallReader.
func (r rooted) ReadBlob(ctx context.Context, repo string, desc orlop.Descriptor) ([]byte, error) {
	return orlop.ReadSmall(ctx, r.Registry, repo, desc)
}

// copyFailure says at which end a copy failed, and with what content.
func copyFailure(from, to *target, err error) error {
	e, ok := errors.AsType[*orlop.CopyError](err)
	if !ok {
		return err
	}
	end := to
	if e.Side == orlop.Source {
		end = from
	}
	err = e.Err
	if e.Descriptor.Digest != "" {
		err = end.aboutRef(end.digested(e.Descriptor.Digest), err)
	}
	return copyHint(atEnd(end, e.Side, err))
}

// copyHint adds the next step to the failures that are particular to copies.
func copyHint(err error) error {
	switch {
	case errors.Is(err, orlop.ErrDamaged):
		return withHint(err, "the content does not match its digest; try again, or tell the operator of the source")
	case errors.Is(err, orlop.ErrManifestBlobUnknown):
		return withHint(err, "the destination lacks content that it seemed to have; copy with --force")
	}
	return err
}
