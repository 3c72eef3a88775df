package sqlmeta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/internal/meta"
)

// MissingError names a blob that a manifest refers to and its repository does
// not have.
type MissingError struct{ Digest digest.Digest }

// Error tells which blob is missing.
func (e *MissingError) Error() string {
	return fmt.Sprintf("blob %s is not in the repository", e.Digest)
}

// SizeError tells that a manifest gives a blob another size than it has.
type SizeError struct {
	Digest       digest.Digest
	Said, Stored int64 // bytes
}

// Error tells both sizes.
func (e *SizeError) Error() string {
	return fmt.Sprintf("blob %s has %d bytes, the manifest says %d", e.Digest, e.Stored, e.Said)
}

// PutManifest stores a manifest, its edges and its tags in a repository, which
// it makes if absent. A blob that is not linked there gives a MissingError
// unless the manifest may be sparse. Children of an index may be missing. What
// is missing is joined when it arrives.
// Pushing the same manifest again only moves the tags. ErrLocked if the
// repository or a tag forbids it.
func (tx *Tx) PutManifest(registry int64, repo string, m meta.Manifest, tags []string, actor string) error {
	repoID, err := tx.ensureRepository(registry, repo)
	if err != nil {
		return err
	}
	dgst, err := packDigest(m.Descriptor.Digest)
	if err != nil {
		return err
	}
	id, err := tx.heldManifest(repoID, dgst)
	switch {
	case errors.Is(err, ErrNotFound):
		id, err = tx.insertManifest(registry, repoID, repo, dgst, m)
	case err == nil: // its blobs may have been deleted since
		_, _, err = tx.linkedBlobs(registry, repoID, m)
	}
	if err != nil {
		return err
	}
	if len(tags) == 0 {
		err = tx.reviewManifest(registry, id)
	}
	if err != nil {
		return err
	}
	for _, tag := range slices.Sorted(slices.Values(tags)) {
		if err := tx.setTag(registry, repoID, tag, id, dgst, actor); err != nil {
			return err
		}
	}
	return tx.touch(repoID)
}

func (tx *Tx) manifestID(repo int64, dgst []byte) (int64, error) {
	var id int64
	err := tx.row(`SELECT id FROM manifests WHERE repo_id = $1 AND digest = $2`, repo, dgst).Scan(&id)
	return id, err
}

// heldManifest is manifestID for a manifest that must not be collected before
// the transaction ends.
func (tx *Tx) heldManifest(repo int64, dgst []byte) (int64, error) {
	var id int64
	err := tx.row(`SELECT id FROM manifests WHERE repo_id = $1 AND digest = $2`+tx.db.locking(" FOR KEY SHARE"), repo, dgst).Scan(&id)
	return id, err
}

// insertManifest stores a manifest that the repository, repoID by name repo, does
// not have.
func (tx *Tx) insertManifest(registry, repoID int64, repo string, dgst []byte, m meta.Manifest) (int64, error) {
	blobs, missing, err := tx.linkedBlobs(registry, repoID, m)
	if err != nil {
		return 0, err
	}
	id := tx.db.ids.next(tx.db.now())
	if err := tx.insertManifestRow(registry, repoID, id, dgst, m); err != nil {
		return 0, err
	}
	slices.Sort(blobs)
	edges := make([][]any, len(blobs))
	for i, blob := range blobs {
		edges[i] = []any{blob, id, registry}
	}
	if err := tx.insertMany(`INSERT INTO manifest_blobs (blob_id, manifest_id, registry_id)`, edges); err != nil {
		return 0, err
	}
	if len(missing) > 0 {
		if err := tx.mustBeAlone(); err != nil {
			return 0, err
		}
		tx.db.sparse.Store(true)
	}
	for _, d := range missing {
		if _, err := tx.exec(`INSERT INTO missing_blobs (repo_id, blob_digest, manifest_id, registry_id) VALUES ($1, $2, $3, $4)`, repoID, d, id, registry); err != nil {
			return 0, err
		}
	}
	if err := tx.adopt(registry, repoID, id, m.Children); err != nil {
		return 0, err
	}
	if err := tx.arrive(registry, repoID, id, dgst); err != nil {
		return 0, err
	}
	return id, tx.revive(registry, repo, id, dgst)
}

func (tx *Tx) insertManifestRow(registry, repo, id int64, dgst []byte, m meta.Manifest) error {
	var subject []byte
	if m.Subject != "" {
		var err error
		if subject, err = packDigest(m.Subject); err != nil {
			return err
		}
	}
	if _, err := tx.exec(`INSERT INTO manifests (id, registry_id, repo_id, digest, media_type, artifact_type, config_type, subject,
			architecture, os, size, image_size, created, updated)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)`,
		id, registry, repo, dgst, m.Descriptor.MediaType, m.Descriptor.ArtifactType, m.ConfigType, subject,
		m.Architecture, m.OS, m.Descriptor.Size, m.ImageSize, micros(tx.db.now())); err != nil {
		return err
	}
	if subject != nil {
		if err := tx.insertReferrer(registry, repo, id, subject, m.Descriptor); err != nil {
			return err
		}
	}
	_, err := tx.exec(`INSERT INTO manifest_payloads (manifest_id, registry_id, payload) VALUES ($1, $2, $3)`, id, registry, m.Raw)
	return err
}

// insertReferrer lists a manifest under its subject.
func (tx *Tx) insertReferrer(registry, repo, id int64, subject []byte, desc ocispec.Descriptor) error {
	raw, err := json.Marshal(desc)
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO referrers (repo_id, subject, artifact_type, manifest_id, registry_id, descriptor) VALUES ($1, $2, $3, $4, $5, $6)`,
		repo, subject, desc.ArtifactType, id, registry, raw)
	return err
}

// linkedBlobs returns the ids of the manifest's blobs, which must be linked to
// the repository, and the digests of those that are not if it may be sparse.
func (tx *Tx) linkedBlobs(registry, repo int64, m meta.Manifest) (ids []int64, missing [][]byte, err error) {
	ids = make([]int64, 0, len(m.Blobs))
	for descs := range slices.Chunk(m.Blobs, MaxBlobs) {
		linked, err := tx.linked(registry, repo, descs)
		if err != nil {
			return nil, nil, err
		}
		for _, d := range descs {
			b, ok := linked[d.Digest]
			switch {
			case !ok && m.Sparse:
				dgst, err := packDigest(d.Digest)
				if err != nil {
					return nil, nil, err
				}
				missing = append(missing, dgst)
				continue
			case !ok:
				return nil, nil, &MissingError{d.Digest}
			case b.size != d.Size:
				return nil, nil, &SizeError{Digest: d.Digest, Said: d.Size, Stored: b.size}
			}
			ids = append(ids, b.id)
		}
	}
	return ids, missing, nil
}

// adopt records the children of an index: those that are there as edges, the
// others to be joined when they arrive.
func (tx *Tx) adopt(registry, repo, parent int64, children []digest.Digest) error {
	for _, d := range children {
		dgst, err := packDigest(d)
		if err != nil {
			return err
		}
		child, err := tx.manifestID(repo, dgst)
		switch {
		case err == nil:
			_, err = tx.exec(`INSERT INTO manifest_children (child_id, parent_id, registry_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, child, parent, registry)
		case errors.Is(err, ErrNotFound):
			if err := tx.mustBeAlone(); err != nil {
				return err
			}
			_, err = tx.exec(`INSERT INTO missing_children (repo_id, child_digest, parent_id, registry_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, repo, dgst, parent, registry)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// arrive joins a new manifest to the indexes that have been waiting for it.
func (tx *Tx) arrive(registry, repo, id int64, dgst []byte) error {
	n, err := tx.exec(`INSERT INTO manifest_children (child_id, parent_id, registry_id)
		SELECT $3, parent_id, $4 FROM missing_children WHERE repo_id = $1 AND child_digest = $2`, repo, dgst, id, registry)
	if err != nil || n == 0 {
		return err
	}
	_, err = tx.exec(`DELETE FROM missing_children WHERE repo_id = $1 AND child_digest = $2`, repo, dgst)
	return err
}

func (tx *Tx) reviewManifest(registry, id int64) error {
	return tx.review("gc_manifest_queue", "manifest_id", registry, id)
}

// DeleteManifest removes a manifest and all tags that name it, and returns
// these. Indexes that list it go on without it, as sparse indexes.
// ErrNotFound if it is absent, ErrLocked if it or one of the tags must stay, or
// an index that needs it.
func (tx *Tx) DeleteManifest(registry int64, repo string, d digest.Digest, actor string) ([]string, error) {
	dgst, err := packDigest(d)
	if err != nil {
		return nil, err
	}
	repoID, err := tx.aloneIn(registry, repo, meta.NoWrite)
	if err != nil {
		return nil, err
	}
	id, err := tx.manifestID(repoID, dgst)
	if err != nil {
		return nil, err
	}
	if err := tx.removable(id); err != nil {
		return nil, err
	}
	if err := tx.keepManifests(registry, repo, actor, "id", id); err != nil {
		return nil, err
	}
	tags, err := tx.deleteTags(registry, repoID, repo, actor, `t.manifest_id = $1`, id)
	if err != nil {
		return nil, err
	}
	if err := tx.orphan(registry, repoID, id, dgst); err != nil {
		return nil, err
	}
	if _, err := tx.exec(`DELETE FROM manifests WHERE id = $1`, id); err != nil {
		return nil, err
	}
	return tags, tx.touch(repoID)
}

// orphan prepares the removal of a manifest: what it needed is to be reviewed,
// and what lists it has a missing child.
func (tx *Tx) orphan(registry, repo, id int64, dgst []byte) error {
	if err := tx.letGo(repo, id, dgst); err != nil {
		return err
	}
	if _, err := tx.exec(`INSERT INTO missing_children (repo_id, child_digest, parent_id, registry_id)
		SELECT $2, $3, parent_id, $4 FROM manifest_children WHERE child_id = $1`, id, repo, dgst, registry); err != nil {
		return err
	}
	_, err := tx.exec(`DELETE FROM manifest_children WHERE child_id = $1`, id)
	return err
}

// letGo has reviewed what a manifest that is about to be removed kept: its blobs,
// its children, and what refers to it.
func (tx *Tx) letGo(repo, id int64, dgst []byte) error {
	review := micros(tx.reviewAfter())
	if _, err := tx.exec(`INSERT INTO gc_blob_queue (blob_id, registry_id, review_after)
		SELECT blob_id, registry_id, $2 FROM manifest_blobs WHERE manifest_id = $1
		ON CONFLICT (blob_id) DO UPDATE SET review_after = excluded.review_after`, id, review); err != nil {
		return err
	}
	if _, err := tx.exec(`INSERT INTO gc_manifest_queue (manifest_id, registry_id, review_after)
		SELECT child_id, registry_id, $2 FROM manifest_children WHERE parent_id = $1
		ON CONFLICT (manifest_id) DO UPDATE SET review_after = excluded.review_after`, id, review); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO gc_manifest_queue (manifest_id, registry_id, review_after)
		SELECT manifest_id, registry_id, $3 FROM referrers WHERE repo_id = $1 AND subject = $2
		ON CONFLICT (manifest_id) DO UPDATE SET review_after = excluded.review_after`, repo, dgst, review)
	return err
}

// Manifest returns a manifest by digest: its descriptor and bytes, no more.
// ErrNotFound if the repository does not have it, ErrLocked if it must not be
// read.
func (db *DB) Manifest(ctx context.Context, registry int64, repo string, d digest.Digest) (meta.Manifest, error) {
	dgst, err := packDigest(d)
	if err != nil {
		return meta.Manifest{}, err
	}
	var m meta.Manifest
	var locks meta.Locks
	var review *int64
	err = db.row(ctx, `SELECT m.media_type, m.artifact_type, m.size, m.locks | r.locks, p.payload, q.review_after
		FROM repositories r JOIN manifests m ON m.repo_id = r.id AND m.digest = $3
		JOIN manifest_payloads p ON p.manifest_id = m.id
		LEFT JOIN gc_manifest_queue q ON q.manifest_id = m.id
		WHERE r.registry_id = $1 AND r.name = $2`, registry, repo, dgst).
		Scan(&m.Descriptor.MediaType, &m.Descriptor.ArtifactType, &m.Descriptor.Size, &locks, &m.Raw, &review)
	m.Safe = db.manifestSafeUntil(registry, review)
	m.Descriptor.Digest = d
	return m, readable(locks, err)
}
