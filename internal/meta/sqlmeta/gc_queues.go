package sqlmeta

import (
	"context"
	"errors"
	"time"

	"github.com/orlop/orlop/internal/meta"
)

// GCWork tells which steps of a collector have something to do.
type GCWork struct{ Registries, Uploads, Deleted, Manifests, Blobs, Objects bool }

// GCWork looks at what was due at a moment, without writing, and learns how long
// registries keep manifests.
func (db *DB) GCWork(ctx context.Context, until time.Time) (GCWork, error) {
	var w GCWork
	if err := errors.Join(db.readRetentions(ctx), db.readKeepings(ctx)); err != nil {
		return w, err
	}
	at := micros(until)
	err := db.row(ctx, `SELECT EXISTS (SELECT 1 FROM registries WHERE deleted <> 0),
			EXISTS (SELECT 1 FROM uploads WHERE expires < $1 AND taken < $1),
			EXISTS (SELECT 1 `+goneFrom("deleted_manifests")+`) OR EXISTS (SELECT 1 `+goneFrom("deleted_tags")+`)
				OR EXISTS (SELECT 1 `+goneFrom("deleted_repositories")+`),
			EXISTS (SELECT 1 FROM gc_blob_queue WHERE review_after <= $1),
			EXISTS (SELECT 1 FROM gc_objects WHERE delete_after <= $1)`,
		at, db.keep.Microseconds()).Scan(&w.Registries, &w.Uploads, &w.Deleted, &w.Blobs, &w.Objects)
	w.Manifests = len(db.retained.list()) > 0
	return w, err
}

// GCQueues tells how much waits for the collector.
func (db *DB) GCQueues(ctx context.Context) (meta.GCQueues, error) {
	var q meta.GCQueues
	now := db.now()
	err := db.queue(ctx, &q.Blobs, "gc_blob_queue WHERE review_after <= $1", "review_after", now, 0)
	if err == nil {
		err = db.queue(ctx, &q.Objects, "gc_objects WHERE delete_after <= $1", "delete_after", now, 0)
	}
	if err == nil {
		err = db.readRetentions(ctx)
	}
	for _, r := range db.retained.list() {
		if err == nil {
			err = db.queue(ctx, &q.Manifests, "gc_manifest_queue WHERE review_after <= $1 AND registry_id = $3", "review_after", now, db.delay(r.time), r.registry)
		}
	}
	for table, into := range map[string]*meta.GCQueue{"gc_blob_queue": &q.Blobs, "gc_manifest_queue": &q.Manifests, "gc_objects": &q.Objects} {
		if err == nil {
			err = db.row(ctx, `SELECT count(*) FROM (SELECT 1 FROM `+table+` LIMIT $1) a`, meta.MaxGCCount).Scan(&into.Rows)
		}
	}
	return q, err
}

// queue adds to q what is due in a queue.
func (db *DB) queue(ctx context.Context, q *meta.GCQueue, from, column string, now time.Time, delay time.Duration, more ...any) error {
	var due int
	var oldest *int64
	args := append([]any{micros(now.Add(-delay)), meta.MaxGCCount}, more...)
	if err := db.row(ctx, `SELECT (SELECT count(*) FROM (SELECT 1 FROM `+from+` LIMIT $2) a), (SELECT min(`+column+`) FROM `+from+`)`, args...).
		Scan(&due, &oldest); err != nil {
		return err
	}
	q.Due = min(q.Due+due, meta.MaxGCCount)
	if oldest == nil {
		return nil
	}
	if since := moment(*oldest).Add(delay); q.Oldest.IsZero() || since.Before(q.Oldest) {
		q.Oldest = since
	}
	return nil
}
