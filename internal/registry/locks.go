package registry

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// What may not be read is never cached, so that the cache needs to know no
// locks: whoever changes them holds the keys that they cover.

// LockRepository changes the locks of a repository and returns how it is then.
// When it returns, no push, deletion or pull that they forbid goes through any
// more. ErrNameUnknown if it is absent.
func (r *Registry) LockRepository(ctx context.Context, repo string, c meta.LockChange) (meta.RepositoryInfo, error) {
	if err := checkName(repo); err != nil {
		return meta.RepositoryInfo{}, err
	}
	err := r.lock(ctx, c, r.cache.holdAll, func(tx *sqlmeta.Tx) error { return tx.SetRepositoryLocks(r.id, repo, c) })
	if err != nil {
		return meta.RepositoryInfo{}, translate(err, nameUnknown(repo))
	}
	return r.RepositoryInfo(ctx, repo)
}

// LockTag is LockRepository for a tag. ErrTagUnknown if it is absent.
func (r *Registry) LockTag(ctx context.Context, repo, tag string, c meta.LockChange) (meta.TagInfo, error) {
	if err := errors.Join(checkName(repo), checkTag(tag)); err != nil {
		return meta.TagInfo{}, err
	}
	hold := func() func() { return r.cache.hold(r.key(repo, tag).of(cachedTag)) }
	err := r.lock(ctx, c, hold, func(tx *sqlmeta.Tx) error { return tx.SetTagLocks(r.id, repo, tag, c) })
	if err != nil {
		return meta.TagInfo{}, r.absentOr(ctx, err, repo, orlop.ErrTagUnknown.WithDetail(map[string]string{"name": repo, "tag": tag}))
	}
	return r.TagInfo(ctx, repo, tag)
}

// LockManifest is LockRepository for a manifest. ErrManifestUnknown if it is
// absent.
func (r *Registry) LockManifest(ctx context.Context, repo string, d digest.Digest, c meta.LockChange) (meta.ManifestInfo, error) {
	if err := checkBoth(repo, d); err != nil {
		return meta.ManifestInfo{}, err
	}
	hold := func() func() { return r.cache.hold(r.key(repo, string(d)).of(cachedManifest)) }
	err := r.lock(ctx, c, hold, func(tx *sqlmeta.Tx) error { return tx.SetManifestLocks(r.id, repo, d, c) })
	if err != nil {
		return meta.ManifestInfo{}, r.absentOr(ctx, err, repo, orlop.ErrManifestUnknown.WithDetail(map[string]string{"name": repo, "digest": string(d)}))
	}
	return r.ManifestInfo(ctx, repo, d)
}

// Writable refuses a push to a repository that takes none at this moment, before
// any of its content is sent. What is pushed is checked again when it is stored.
func (r *Registry) Writable(ctx context.Context, repo string) error {
	return translate(r.db.Writable(ctx, r.id, repo), nil)
}

// lock makes a change of locks, if it is one, while the cache is kept from what
// they cover.
func (r *Registry) lock(ctx context.Context, c meta.LockChange, hold func() func(), change func(*sqlmeta.Tx) error) error {
	if c == (meta.LockChange{}) {
		return nil
	}
	defer hold()()
	return r.db.Update(ctx, change)
}

// absentOr translates an error; absent is what ErrNotFound means if the
// repository is there.
func (r *Registry) absentOr(ctx context.Context, err error, repo string, absent error) error {
	if errors.Is(err, sqlmeta.ErrNotFound) {
		return r.absentIn(ctx, repo, absent)
	}
	return translate(err, nil)
}
