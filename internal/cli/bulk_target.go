package cli

import (
	"context"
	"io"
	"iter"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// bulkSource is the source of one copy of several. It counts what refers to the
// manifest copied.
type bulkSource struct {
	orlop.Registry
	have *target // where manifests may be already, if it is a layout

	mu        sync.Mutex // guards referrers
	referrers map[digest.Digest]bool
}

// Manifest takes a manifest from where it is already, if that can give it out
// undamaged.
func (s *bulkSource) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	if s.have.kind == kindLayout && isDigest(reference) {
		if m, err := s.have.Manifest(ctx, s.have.repo, reference); err == nil {
			return m, nil
		}
	}
	return s.Registry.Manifest(ctx, repo, reference)
}

// ReadBlob implements orlop.SmallReader.
func (s *bulkSource) ReadBlob(ctx context.Context, repo string, desc orlop.Descriptor) ([]byte, error) {
	return orlop.ReadSmall(ctx, s.Registry, repo, desc)
}

// Referrers lists and counts.
func (s *bulkSource) Referrers(
	ctx context.Context, repo string, dgst digest.Digest, artifactType string,
) iter.Seq2[orlop.Descriptor, error] {
	return func(yield func(orlop.Descriptor, error) bool) {
		for d, err := range s.Registry.Referrers(ctx, repo, dgst, artifactType) {
			if err == nil {
				s.mu.Lock()
				s.referrers[d.Digest] = true
				s.mu.Unlock()
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// bulkTarget is the destination of several copies at once. What they have in
// common is sent once.
type bulkTarget struct {
	orlop.Target
	slots chan struct{} // one for each blob under way; nil: no bound

	mu     sync.Mutex // guards pushes
	pushes map[digest.Digest]*bulkPush
}

// bulkPush is a blob on its way or there. If it fails it is forgotten, and
// those who wait send the blob themselves.
type bulkPush struct {
	desc orlop.Descriptor
	done chan struct{} // closed when err is set
	err  error
}

// bulkMounter is a bulkTarget that can mount.
type bulkMounter struct{ *bulkTarget }

var (
	_ orlop.MountPusher  = bulkMounter{}
	_ orlop.DigestPusher = (*bulkTarget)(nil)
	_ orlop.BlobChecker  = (*bulkTarget)(nil)
	_ orlop.Expecter     = (*bulkTarget)(nil)
)

func newBulkTarget(t orlop.Target, transfers int) orlop.Target {
	b := &bulkTarget{Target: t, pushes: map[digest.Digest]*bulkPush{}}
	if transfers > 0 {
		b.slots = make(chan struct{}, transfers)
	}
	if _, ok := t.(orlop.MountPusher); ok {
		return bulkMounter{b}
	}
	return b
}

// ChecksBlobs tells what is true of the target below.
func (b *bulkTarget) ChecksBlobs() bool {
	checker, ok := b.Target.(orlop.BlobChecker)
	return ok && checker.ChecksBlobs()
}

// Expect tells the target below, if it wants to know.
func (b *bulkTarget) Expect(repo string, blobs []orlop.Descriptor) bool {
	e, ok := b.Target.(orlop.Expecter)
	return ok && e.Expect(repo, blobs)
}

// StatBlob waits for the copy that sends the blob, if one does.
func (b *bulkTarget) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (orlop.Descriptor, error) {
	b.mu.Lock()
	p := b.pushes[dgst]
	b.mu.Unlock()
	if p != nil {
		select {
		case <-p.done:
		case <-ctx.Done():
			return orlop.Descriptor{}, ctx.Err()
		}
		if p.err == nil {
			return p.desc, nil
		}
	}
	return b.Target.StatBlob(ctx, repo, dgst)
}

// PushBlob sends a blob, or waits for the copy that does.
func (b *bulkTarget) PushBlob(ctx context.Context, repo string, desc orlop.Descriptor, content io.Reader) error {
	_, err := b.once(ctx, desc, func() (bool, error) { return false, b.Target.PushBlob(ctx, repo, desc, content) })
	return err
}

// PushOrMount is as PushBlob; see orlop.MountPusher. What another copy has sent
// counts as mounted.
func (b bulkMounter) PushOrMount(
	ctx context.Context, repo, from string, desc orlop.Descriptor, content io.Reader,
) (mounted bool, err error) {
	return b.once(ctx, desc, func() (bool, error) {
		return b.Target.(orlop.MountPusher).PushOrMount(ctx, repo, from, desc, content)
	})
}

// once pushes a blob unless another copy does.
func (b *bulkTarget) once(
	ctx context.Context, desc orlop.Descriptor, push func() (mounted bool, err error),
) (mounted bool, err error) {
	for {
		p, mine := b.begin(desc)
		if mine {
			mounted, err = b.inSlot(ctx, push)
			b.end(p, err)
			return mounted, err
		}
		select {
		case <-p.done:
			if p.err == nil {
				return true, nil
			}
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// begin makes a push the caller's, unless it is another's.
func (b *bulkTarget) begin(desc orlop.Descriptor) (p *bulkPush, mine bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.pushes[desc.Digest]; p != nil {
		return p, false
	}
	p = &bulkPush{desc: desc, done: make(chan struct{})}
	b.pushes[desc.Digest] = p
	return p, true
}

func (b *bulkTarget) end(p *bulkPush, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		delete(b.pushes, p.desc.Digest)
	}
	p.err = err
	close(p.done)
}

// inSlot runs push while not too many others run.
func (b *bulkTarget) inSlot(ctx context.Context, push func() (bool, error)) (mounted bool, err error) {
	if b.slots == nil {
		return push()
	}
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
		return push()
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// PushManifestDigest needs an orlop.DigestPusher below.
func (b *bulkTarget) PushManifestDigest(
	ctx context.Context, repo, mediaType string, dgst digest.Digest, raw []byte, tags ...string,
) (orlop.Descriptor, error) {
	if p, ok := b.Target.(orlop.DigestPusher); ok {
		return p.PushManifestDigest(ctx, repo, mediaType, dgst, raw, tags...)
	}
	return orlop.Descriptor{}, orlop.ErrUnsupported.With("it stores manifests by SHA-256 only")
}
