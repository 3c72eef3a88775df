package sqlmeta

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"
)

// Defaults of Options.ReviewGrace and ObjectGrace.
const (
	reviewGrace = 24 * time.Hour
	objectGrace = 2 * time.Hour
)

// graces are the times for which content is safe from collection.
type graces struct {
	reviewGrace time.Duration // after the event that may have orphaned it
	objectGrace time.Duration // of an object, after its last row
	retention   time.Duration // of a manifest without a use, where its registry has none of its own; for ever if 0
}

func (o *Options) graces() graces {
	or := func(d, byDefault time.Duration) time.Duration {
		if d == 0 {
			d = byDefault
		}
		return max(d, 0)
	}
	return graces{or(o.ReviewGrace, reviewGrace), or(o.ObjectGrace, objectGrace), max(o.UntaggedRetention, 0)}
}

// Now is the time by the clock of the store.
func (db *DB) Now() time.Time { return db.now() }

func (tx *Tx) reviewAfter() time.Time { return tx.db.now().Add(tx.db.reviewGrace) }

// manifestSafeUntil is safeUntil of a manifest. Where manifests stay for ever, it
// is as for one without a review, since that may change.
func (db *DB) manifestSafeUntil(registry int64, review *int64) time.Time {
	delay, ok := db.manifestDelay(registry)
	if !ok {
		review = nil
	}
	return db.safeUntil(review, delay)
}

// safeUntil is the time until which what was read now is not collected, whatever
// happens: its review, or, without one, that of an event which comes now.
func (db *DB) safeUntil(review *int64, delay time.Duration) time.Time {
	if review == nil {
		return db.now().Add(db.reviewGrace + delay)
	}
	return moment(*review).Add(delay)
}

// ReviewSoon tells whether what is safe until a time may be collected so soon
// that a client which has just been told of it might come too late to use it.
func (db *DB) ReviewSoon(safe time.Time) bool {
	return db.reviewGrace > 0 && safe.Before(db.now().Add(db.reviewGrace/2))
}

// KeepBlob puts off the review of a blob of a repository, if it is soon: a client
// has been told that the blob is there, and counts on it. ErrNotFound if it is
// gone.
func (db *DB) KeepBlob(ctx context.Context, registry int64, repo string, d digest.Digest) error {
	return db.keepFrom(ctx, 0, "gc_blob_queue", "blob_id", `SELECT b.id, q.review_after FROM blobs b
		JOIN repositories r ON r.registry_id = b.registry_id AND r.name = $2
		JOIN repository_blobs l ON l.repo_id = r.id AND l.blob_id = b.id
		LEFT JOIN gc_blob_queue q ON q.blob_id = b.id
		WHERE b.registry_id = $1 AND b.digest = $3`, registry, repo, d)
}

// KeepManifest is KeepBlob for a manifest.
func (db *DB) KeepManifest(ctx context.Context, registry int64, repo string, d digest.Digest) error {
	delay, ok := db.manifestDelay(registry)
	if !ok {
		return nil
	}
	return db.keepFrom(ctx, delay, "gc_manifest_queue", "manifest_id", `SELECT m.id, q.review_after FROM repositories r
		JOIN manifests m ON m.repo_id = r.id AND m.digest = $3
		LEFT JOIN gc_manifest_queue q ON q.manifest_id = m.id
		WHERE r.registry_id = $1 AND r.name = $2`, registry, repo, d)
}

// keepFrom puts off the review of what find gives with the time of its review,
// if that, with a delay, is soon.
func (db *DB) keepFrom(ctx context.Context, delay time.Duration, queue, column, find string, registry int64, repo string, d digest.Digest) error {
	dgst, err := packDigest(d)
	if err != nil {
		return err
	}
	var id int64
	var review *int64
	if err := db.row(ctx, find, registry, repo, dgst).Scan(&id, &review); err != nil {
		return err
	}
	if review == nil || !db.ReviewSoon(db.safeUntil(review, delay)) {
		return nil
	}
	return db.Update(context.WithoutCancel(ctx), func(tx *Tx) error {
		soon := db.now().Add(db.reviewGrace/2 - delay)
		n, err := tx.exec(`UPDATE `+queue+` SET review_after = $2, attempts = 0 WHERE `+column+` = $1 AND review_after < $3`,
			id, micros(tx.reviewAfter().Add(-delay)), micros(soon))
		if err != nil || n > 0 {
			return err
		}
		// Its review is over, or put off by somebody else: is it there still?
		err = tx.row(find, registry, repo, dgst).Scan(&id, &review)
		if errors.Is(err, ErrNotFound) {
			return ErrNotFound
		}
		return err
	})
}
