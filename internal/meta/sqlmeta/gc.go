package sqlmeta

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/orlop/orlop/internal/meta"
)

// The queues say what may have lost its last use, and when to look. Foreign keys
// are the proof that nothing is removed that is used: the questions before a
// removal only save its attempt.
//
// Whoever works on a row locks it, and passes over what others have locked, so
// that any number of collectors share a queue and none waits for another or for
// who pushes.

// Step bounds one transaction of a collector.
type Step struct {
	Until time.Time     // rows are taken that were due then
	Rows  int           // at most
	Time  time.Duration // after which no further row is begun; no bound if 0
}

// over tells whether a step that began at start has had its time.
func (s *Step) over(start time.Time) bool { return s.Time > 0 && time.Since(start) >= s.Time }

// maxLinks is how many links of a blob to repositories go in one transaction.
const maxLinks = 200

// dueBlobs gives the blobs to review, and whether each is used.
const dueBlobs = `SELECT q.blob_id,
		EXISTS (SELECT 1 FROM manifest_blobs e WHERE e.blob_id = q.blob_id) OR EXISTS (SELECT 1 FROM deleted_manifest_blobs d WHERE d.blob_id = q.blob_id)
	FROM gc_blob_queue q WHERE q.review_after <= $1 ORDER BY q.review_after, q.blob_id LIMIT $2`

// ReviewBlobs removes the blobs that are due and not used, and leaves their
// objects to be removed later. going is told of each before that.
func (tx *Tx) ReviewBlobs(s Step, going func(meta.Removal)) (meta.Review, error) {
	start := time.Now()
	type candidate struct {
		id   int64
		used bool
	}
	due, err := scanAll(tx, func(scan func(...any) error) (c candidate, err error) {
		err = scan(&c.id, &c.used)
		return c, err
	}, dueBlobs+tx.db.skipLocked(), micros(s.Until), s.Rows)
	if err != nil {
		return meta.Review{}, err
	}
	rv := meta.Review{More: len(due) == s.Rows}
	for _, c := range due {
		if s.over(start) {
			rv.More = true
			break
		}
		if c.used {
			err = tx.keptBlob(&rv, c.id)
		} else {
			err = tx.collectBlob(&rv, c.id, going)
		}
		if err != nil {
			return meta.Review{}, err
		}
	}
	return rv, nil
}

// keptBlob ends the review of a blob that is used.
func (tx *Tx) keptBlob(rv *meta.Review, id int64) error {
	rv.Kept++
	_, err := tx.exec(`DELETE FROM gc_blob_queue WHERE blob_id = $1`, id)
	return err
}

// collectBlob removes a blob unless it is used, or locked by somebody who is
// about to use it.
func (tx *Tx) collectBlob(rv *meta.Review, id int64, going func(meta.Removal)) error {
	var dgst []byte
	var key *string
	var gone meta.Removal
	var size int64
	err := tx.row(`SELECT registry_id, digest, size, storage_key FROM blobs WHERE id = $1`+tx.db.skipLocked(), id).
		Scan(&gone.Registry, &dgst, &size, &key)
	if errors.Is(err, ErrNotFound) {
		return tx.absent(rv, `SELECT EXISTS (SELECT 1 FROM blobs WHERE id = $1)`, id, "gc_blob_queue", "blob_id")
	}
	if err != nil {
		return err
	}
	gone.Digest = unpackDigest(dgst)
	links, err := scanAll(tx, scanLink, `SELECT l.repo_id, r.name FROM repository_blobs l JOIN repositories r ON r.id = l.repo_id
		WHERE l.blob_id = $1 ORDER BY l.repo_id LIMIT $2`, id, maxLinks)
	if err != nil {
		return err
	}
	for _, l := range links {
		gone.Repositories = append(gone.Repositories, l.name)
	}
	going(gone)
	if len(links) == maxLinks { // the rest comes with the next steps
		rv.More = true
		return tx.unlinkSome(id, links)
	}
	n, err := tx.exec(`DELETE FROM blobs WHERE id = $1
		AND NOT EXISTS (SELECT 1 FROM manifest_blobs WHERE blob_id = $1)
		AND NOT EXISTS (SELECT 1 FROM deleted_manifest_blobs WHERE blob_id = $1)`, id)
	if err != nil {
		return err
	}
	if n == 0 {
		return tx.keptBlob(rv, id)
	}
	rv.Removed++
	if key == nil {
		rv.Freed += size
	} else {
		rv.Objects++
		rv.Later += size
		if err := tx.retireObject(gone.Registry, *key, size); err != nil {
			return err
		}
	}
	_, err = tx.exec(`DELETE FROM gc_blob_queue WHERE blob_id = $1`, id)
	return err
}

// linkRow is a repository that serves a blob.
type linkRow struct {
	repo int64
	name string
}

func scanLink(scan func(...any) error) (l linkRow, err error) {
	err = scan(&l.repo, &l.name)
	return l, err
}

// unlinkSome takes a blob that no manifest uses from some of its repositories.
func (tx *Tx) unlinkSome(blob int64, links []linkRow) error {
	for _, l := range links {
		if _, err := tx.exec(`DELETE FROM repository_blobs WHERE repo_id = $1 AND blob_id = $2
			AND NOT EXISTS (SELECT 1 FROM manifest_blobs WHERE blob_id = $2)
			AND NOT EXISTS (SELECT 1 FROM deleted_manifest_blobs WHERE blob_id = $2)`, l.repo, blob); err != nil {
			return err
		}
	}
	return nil
}

// retireObject leaves the object of a blob that is no more to be removed, when
// everybody has ended who had its key.
func (tx *Tx) retireObject(registry int64, key string, size int64) error {
	_, err := tx.exec(`INSERT INTO gc_objects (storage_key, registry_id, delete_after, size) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		key, registry, micros(tx.db.now().Add(tx.db.objectGrace)), size)
	return err
}

// absent ends the review of what could not be locked: it is gone, or somebody
// uses it at this moment, and then it is looked at again.
func (tx *Tx) absent(rv *meta.Review, exists string, id int64, queue, column string) error {
	var there bool
	if err := tx.row(exists, id).Scan(&there); err != nil {
		return err
	}
	if there {
		rv.Postponed++
		return tx.postpone(queue, column, id)
	}
	_, err := tx.exec(`DELETE FROM `+queue+` WHERE `+column+` = $1`, id)
	return err
}

// Backoff of rows that cannot be dealt with: doubled with each attempt.
const (
	firstBackoff = time.Minute
	maxBackoff   = 6 * time.Hour
)

func backoff(attempts int) time.Duration {
	return min(firstBackoff<<min(attempts, 16), maxBackoff)
}

// postpone sends a row to the back of its queue, further at each attempt, so
// that it never blocks the others.
func (tx *Tx) postpone(queue, column string, id int64) error {
	var attempts int
	if err := tx.row(`SELECT attempts FROM `+queue+` WHERE `+column+` = $1`, id).Scan(&attempts); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE `+queue+` SET attempts = attempts + 1, review_after = $2 WHERE `+column+` = $1`,
		id, micros(tx.db.now().Add(backoff(attempts))))
	return err
}

// PostponeBlob sends the first blob that was due to the back of the queue: its
// review has failed.
func (tx *Tx) PostponeBlob(until time.Time) error {
	due, err := tx.ids(`SELECT blob_id FROM gc_blob_queue WHERE review_after <= $1 ORDER BY review_after, blob_id LIMIT 1`+tx.db.skipLocked(), micros(until))
	if err != nil || len(due) == 0 {
		return err
	}
	return tx.postpone("gc_blob_queue", "blob_id", due[0])
}

// scanAll runs a query and scans all its rows.
func scanAll[T any](tx *Tx, scan func(func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.rows(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, v)
	}
	return out, explain(rows.Err())
}

const dueObjects = `SELECT storage_key, size, attempts FROM gc_objects WHERE delete_after <= $1 ORDER BY delete_after, storage_key LIMIT $2`

// ClaimObjects returns objects that were due to be removed, and puts them off,
// further at each attempt: who claims them removes them and says so by
// ForgetObjects, or they come again.
func (tx *Tx) ClaimObjects(s Step) ([]meta.Object, error) {
	type claim struct {
		meta.Object
		attempts int
	}
	due, err := scanAll(tx, func(scan func(...any) error) (c claim, err error) {
		err = scan(&c.Key, &c.Size, &c.attempts)
		return c, err
	}, dueObjects+tx.db.skipLocked(),
		micros(s.Until), s.Rows)
	if err != nil {
		return nil, err
	}
	objects := make([]meta.Object, 0, len(due))
	for _, c := range due {
		if _, err := tx.exec(`UPDATE gc_objects SET attempts = attempts + 1, delete_after = $2 WHERE storage_key = $1`,
			c.Key, micros(tx.db.now().Add(backoff(c.attempts)))); err != nil {
			return nil, err
		}
		objects = append(objects, c.Object)
	}
	return objects, nil
}

// ForgetObjects removes the rows of objects that are gone.
func (tx *Tx) ForgetObjects(objects []meta.Object) error {
	sorted := slices.SortedFunc(slices.Values(objects), func(a, b meta.Object) int { return strings.Compare(a.Key, b.Key) })
	for _, o := range sorted {
		if _, err := tx.exec(`DELETE FROM gc_objects WHERE storage_key = $1`, o.Key); err != nil {
			return err
		}
	}
	return nil
}
