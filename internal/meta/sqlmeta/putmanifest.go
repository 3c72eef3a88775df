package sqlmeta

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// PutManifest is Tx.PutManifest in a transaction of its own. On PostgreSQL it
// takes one round trip where nothing is unusual.
func (db *DB) PutManifest(ctx context.Context, registry int64, repo string, m meta.Manifest, tags []string, actor string) error {
	if e, ok := db.engine.(batcher); ok {
		p := plainPut{db: db, registry: registry, repo: repo, id: db.ids.next(db.now()), now: micros(db.now())}
		statements, err := p.statements(m, tags, actor)
		if err != nil {
			return err
		}
		if done, err := e.batch(ctx, statements); done || err != nil {
			return err
		}
	}
	return db.Update(ctx, func(tx *Tx) error { return tx.PutManifest(registry, repo, m, tags, actor) })
}

// batcher is an engine that carries out statements at once, all or none, in one
// transaction and one round trip. It is false, and nothing is changed, if one of
// them fails.
type batcher interface {
	batch(ctx context.Context, statements []statement) (done bool, err error)
}

// statement is a statement with its arguments.
type statement struct {
	query string
	args  []any
}

// plainPut stores a new manifest, all of whose parts are in the repository, by
// statements whose answers nobody waits for: each looks up what it needs, and
// what is not as usual makes one of them fail. That is enough to know, for then
// Tx.PutManifest does it, and finds out what is the matter.
type plainPut struct {
	db       *DB
	registry int64
	repo     string
	id       int64 // of the manifest
	now      int64
	list     []statement
}

func (p *plainPut) add(query string, args ...any) { p.list = append(p.list, statement{query, args}) }

// Statements of plainPut. The repository is that of the manifest $1.
const (
	// putManifest stores nothing if the repository is absent, locked or reserved;
	// the payload has no manifest to belong to then.
	putManifest = `INSERT INTO manifests (id, registry_id, repo_id, digest, media_type, artifact_type, config_type, subject,
			architecture, os, size, image_size, created, updated)
		SELECT $1, $2, r.id, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13 FROM repositories r
		WHERE r.registry_id = $2 AND r.name = $3 AND r.locks & 1 = 0
			AND NOT EXISTS (SELECT 1 FROM reservations v WHERE v.registry_id = $2 AND v.name = $3 AND v.since > $14)
		FOR KEY SHARE OF r`
	putPayload  = `INSERT INTO manifest_payloads (manifest_id, registry_id, payload) VALUES ($1, $2, $3)`
	putReferrer = `INSERT INTO referrers (repo_id, subject, artifact_type, manifest_id, registry_id, descriptor)
		SELECT repo_id, subject, artifact_type, id, registry_id, $2 FROM manifests WHERE id = $1`
	putBlobs = `INSERT INTO manifest_blobs (blob_id, manifest_id, registry_id)
		SELECT b.id, m.id, m.registry_id FROM manifests m CROSS JOIN unnest($2::bytea[], $3::bigint[]) AS w (digest, size)
		JOIN blobs b ON b.registry_id = m.registry_id AND b.digest = w.digest AND b.size = w.size
		JOIN repository_blobs l ON l.repo_id = m.repo_id AND l.blob_id = b.id
		WHERE m.id = $1 ORDER BY b.id`
	putChildren = `INSERT INTO manifest_children (child_id, parent_id, registry_id)
		SELECT c.id, m.id, m.registry_id FROM manifests m CROSS JOIN unnest($2::bytea[]) AS w (digest)
		JOIN manifests c ON c.repo_id = m.repo_id AND c.digest = w.digest
		WHERE m.id = $1 ORDER BY c.id`
	// putUsual fails, by a division by zero, unless all parts were there, no index
	// waits for the manifest, and it was not deleted before.
	putUsual = `SELECT 1 / CAST((SELECT count(*) FROM manifest_blobs WHERE manifest_id = m.id) = $2
			AND (SELECT count(*) FROM manifest_children WHERE parent_id = m.id) = $3
			AND NOT EXISTS (SELECT 1 FROM missing_children w WHERE w.repo_id = m.repo_id AND w.child_digest = m.digest)
			AND NOT EXISTS (SELECT 1 FROM deleted_manifests d WHERE d.registry_id = m.registry_id AND d.repo = $4 AND d.digest = m.digest)
			AS INTEGER) FROM manifests m WHERE m.id = $1`
	putReview = `INSERT INTO gc_manifest_queue (manifest_id, registry_id, review_after) VALUES ($1, $2, $3)`
	putTouch  = `UPDATE repositories SET updated = $2 WHERE id = (SELECT r.id FROM manifests m JOIN repositories r ON r.id = m.repo_id
		WHERE m.id = $1 FOR NO KEY UPDATE OF r SKIP LOCKED)`
)

// Statements for a tag $2 of the manifest $1. After the first two the row of the
// tag is there and nobody else's, and it names the manifest already if it is new.
const (
	putTag = `INSERT INTO tags (repo_id, name, manifest_id, registry_id, version, created, updated)
		SELECT repo_id, $2, id, registry_id, 1, $3, $3 FROM manifests WHERE id = $1 ON CONFLICT DO NOTHING`
	putHold = `SELECT 1 FROM tags WHERE repo_id = (SELECT repo_id FROM manifests WHERE id = $1) AND name = $2 FOR UPDATE`
	// putFormer has reviewed what the tag named.
	putFormer = `INSERT INTO gc_manifest_queue (manifest_id, registry_id, review_after)
		SELECT manifest_id, registry_id, $3 FROM tags
		WHERE repo_id = (SELECT repo_id FROM manifests WHERE id = $1) AND name = $2 AND manifest_id <> $1
		ON CONFLICT (manifest_id) DO UPDATE SET review_after = excluded.review_after`
	// putHistory fails, for want of a repository, if the tag is locked.
	putHistory = `INSERT INTO tag_history (id, registry_id, repo_id, name, old_digest, new_digest, actor, at, changed)
		SELECT greatest($3, (SELECT max(h.id) + 1 FROM tag_history h WHERE h.repo_id = m.repo_id AND h.name = $2)), m.registry_id,
			(SELECT t.repo_id FROM tags t WHERE t.repo_id = m.repo_id AND t.name = $2 AND t.locks & 1 = 0), $2,
			(SELECT o.digest FROM tags t JOIN manifests o ON o.id = t.manifest_id
				WHERE t.repo_id = m.repo_id AND t.name = $2 AND t.manifest_id <> $1), m.digest, $4, $5, $5
		FROM manifests m WHERE m.id = $1`
	putMove = `UPDATE tags SET manifest_id = $1, version = version + 1, updated = $3
		WHERE repo_id = (SELECT repo_id FROM manifests WHERE id = $1) AND name = $2 AND manifest_id <> $1`
)

func (p *plainPut) statements(m meta.Manifest, tags []string, actor string) ([]statement, error) {
	if err := p.manifest(m); err != nil {
		return nil, err
	}
	if err := p.parts(m); err != nil {
		return nil, err
	}
	review := micros(p.db.now().Add(p.db.reviewGrace))
	if len(tags) == 0 {
		p.add(putReview, p.id, p.registry, review)
	}
	for _, tag := range slices.Compact(slices.Sorted(slices.Values(tags))) {
		p.add(putTag, p.id, tag, p.now)
		p.add(putHold, p.id, tag)
		p.add(putFormer, p.id, tag, review)
		p.add(putHistory, p.id, tag, p.db.ids.next(p.db.now()), actor, p.now)
		p.add(putMove, p.id, tag, p.now)
	}
	p.add(putTouch, p.id, p.now)
	return p.list, nil
}

// manifest stores the manifest itself.
func (p *plainPut) manifest(m meta.Manifest) error {
	dgst, err := packDigest(m.Descriptor.Digest)
	if err != nil {
		return err
	}
	var subject []byte
	if m.Subject != "" {
		if subject, err = packDigest(m.Subject); err != nil {
			return err
		}
	}
	d := &m.Descriptor
	p.add(putManifest, p.id, p.registry, p.repo, dgst, d.MediaType, d.ArtifactType, m.ConfigType, subject,
		m.Architecture, m.OS, d.Size, m.ImageSize, p.now, p.now-reservation.Microseconds())
	p.add(putPayload, p.id, p.registry, m.Raw)
	if subject == nil {
		return nil
	}
	raw, err := json.Marshal(m.Descriptor)
	p.add(putReferrer, p.id, raw)
	return err
}

// parts stores what the manifest refers to.
func (p *plainPut) parts(m meta.Manifest) error {
	digests, sizes := make([]digest.Digest, len(m.Blobs)), make([]int64, len(m.Blobs))
	for i, b := range m.Blobs {
		digests[i], sizes[i] = b.Digest, b.Size
	}
	blobs, err := packDigests(digests)
	if err != nil {
		return err
	}
	children, err := packDigests(m.Children)
	if err != nil {
		return err
	}
	if len(blobs) > 0 {
		p.add(putBlobs, p.id, blobs, sizes)
	}
	if len(children) > 0 {
		p.add(putChildren, p.id, children)
	}
	p.add(putUsual, p.id, len(blobs), len(children), p.repo)
	return nil
}

func packDigests(digests []digest.Digest) ([][]byte, error) {
	out := make([][]byte, len(digests))
	for i, d := range digests {
		var err error
		if out[i], err = packDigest(d); err != nil {
			return nil, err
		}
	}
	return out, nil
}
