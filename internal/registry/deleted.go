package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// DeletedRepositoriesPage returns at most n repositories, after a name and in
// byte order, that have manifests to restore and that visible allows, and
// whether there are more.
func (r *Registry) DeletedRepositoriesPage(ctx context.Context, after string, n int, visible func(string) bool) ([]string, bool, error) {
	return visiblePage(after, n, visible, func(after string, n int) ([]string, error) {
		return r.db.DeletedRepositories(ctx, r.id, after, n)
	})
}

// DeletedManifests lists at most n manifests of a repository that can be
// restored, after a digest, and whether there are more. An absent repository has
// none.
func (r *Registry) DeletedManifests(ctx context.Context, repo string, after digest.Digest, n int) ([]meta.DeletedManifest, bool, error) {
	if err := checkName(repo); err != nil {
		return nil, false, err
	}
	if after != "" {
		if err := checkDigest(after); err != nil {
			return nil, false, err
		}
	}
	manifests, err := r.db.DeletedManifests(ctx, r.id, repo, after, n+1)
	manifests, more := cut(manifests, n)
	return manifests, more, translate(err, nil)
}

// DeletedTags lists at most n tags of a repository that can be restored, after
// the one with an id, the last deleted one last, and whether there are more.
func (r *Registry) DeletedTags(ctx context.Context, repo string, after int64, n int) ([]meta.DeletedTag, bool, error) {
	if err := checkName(repo); err != nil {
		return nil, false, err
	}
	tags, err := r.db.DeletedTags(ctx, r.id, repo, after, n+1)
	tags, more := cut(tags, n)
	return tags, more, translate(err, nil)
}

// Restore makes a deleted manifest live again and, unless tag is "", makes the
// tag name it; of a manifest that is live only the tag is set. ErrManifestUnknown
// if there is nothing to restore. An error with status 409 if the tag names
// another manifest, unless force is set.
func (r *Registry) Restore(ctx context.Context, repo string, d digest.Digest, tag string, force bool) error {
	if err := checkBoth(repo, d); err != nil {
		return err
	}
	if tag != "" {
		if err := checkTag(tag); err != nil {
			return err
		}
	}
	m, err := r.restorable(ctx, repo, d)
	if err != nil {
		return err
	}
	defer r.cache.hold(r.key(repo, string(d)).of(cachedManifest), r.key(repo, tag).of(cachedTag))()
	err = r.db.Update(ctx, func(tx *sqlmeta.Tx) error { return tx.Restore(r.id, repo, m, tag, force, r.actor.Name) })
	if errors.Is(err, sqlmeta.ErrTagged) {
		return errTagged(tag)
	}
	return translate(err, notDeleted(repo, d))
}

// restorable returns a deleted manifest as it is to be stored, or the digest
// alone of one that is live.
func (r *Registry) restorable(ctx context.Context, repo string, d digest.Digest) (meta.Manifest, error) {
	stored, err := r.db.DeletedManifest(ctx, r.id, repo, d)
	if errors.Is(err, sqlmeta.ErrNotFound) {
		_, err = r.db.ManifestInfo(ctx, r.id, repo, d)
		return meta.Manifest{Descriptor: orlop.Descriptor{Digest: d}}, translate(err, notDeleted(repo, d))
	}
	if err != nil {
		return meta.Manifest{}, translate(err, nil)
	}
	if d.Algorithm().FromBytes(stored.Raw) != d {
		r.opts.Log.Error("damaged manifest", "digest", d, "repository", repo, "deleted", true)
		return meta.Manifest{}, fmt.Errorf("manifest %s: %w", d, orlop.ErrDamaged)
	}
	m, err := r.parse(ctx, repo, PutManifest{MediaType: stored.Descriptor.MediaType, Raw: stored.Raw, Digest: d})
	m.Architecture, m.OS = stored.Architecture, stored.OS // its configuration cannot be read here any more
	return m, err
}

func notDeleted(repo string, d digest.Digest) error {
	return orlop.ErrManifestUnknown.With("no such deleted manifest, or its time is over").
		WithDetail(map[string]string{"name": repo, "digest": string(d)})
}

func errTagged(tag string) error {
	return &orlop.Error{
		Code:    orlop.CodeTagInvalid,
		Message: fmt.Sprintf("tag %q exists and names another manifest; restore by force to move it", tag),
		Status:  409,
	}
}
