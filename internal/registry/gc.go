package registry

import (
	"context"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
)

// Forget keeps content that is about to be collected out of the cache until
// release is called. It implements gc.Cache.
func (s *Service) Forget(gone meta.Removal) (release func()) {
	kind := cachedBlob
	if gone.Manifest {
		kind = cachedManifest
	}
	keys := make([]cacheKey, len(gone.Repositories))
	for i, repo := range gone.Repositories {
		keys[i] = cacheKey{registry: gone.Registry, kind: kind, repo: repo, name: string(gone.Digest)}
	}
	return s.cache.hold(keys...)
}

// keepBlob sees to it that a client which is told now that a blob is there finds
// it for a while, if it is about to be collected.
func (r *Registry) keepBlob(ctx context.Context, repo string, b *meta.Blob) error {
	if !r.db.ReviewSoon(b.Safe) {
		return nil
	}
	defer r.cache.hold(r.key(repo, string(b.Digest)).of(cachedBlob))() // the next look learns the new time
	return translate(r.db.KeepBlob(ctx, r.id, repo, b.Digest), orlop.ErrBlobUnknown.WithDetail(map[string]string{"digest": string(b.Digest)}))
}

// keepManifest is keepBlob for a manifest that was asked for by its digest.
func (r *Registry) keepManifest(ctx context.Context, repo string, m *manifestValue) error {
	if !r.db.ReviewSoon(m.safe) {
		return nil
	}
	d := m.Descriptor.Digest
	defer r.cache.hold(r.key(repo, string(d)).of(cachedManifest))()
	return translate(r.db.KeepManifest(ctx, r.id, repo, d),
		orlop.ErrManifestUnknown.WithDetail(map[string]string{"name": repo, "digest": string(d)}))
}
