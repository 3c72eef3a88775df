package sqlmeta

import (
	"errors"
	"fmt"
	"time"

	"github.com/orlop/orlop/internal/meta"
)

// Collector is the actor of what the garbage collector deletes.
const Collector = "gc"

// lockReview is when a manifest is looked at again that a lock keeps: nobody
// tells the collector of its end.
const lockReview = 24 * time.Hour

const dueManifests = `SELECT manifest_id FROM gc_manifest_queue WHERE registry_id = $1 AND review_after <= $2 ORDER BY review_after, manifest_id LIMIT $3`

// ReviewManifests deletes the manifests that are due and that nothing keeps, as a
// user would. going is told of each before that. Those of registries that keep
// them for ever are not looked at: their rows wait.
func (tx *Tx) ReviewManifests(s Step, going func(meta.Removal)) (meta.Review, error) {
	var rv meta.Review
	start := time.Now()
	due, err := tx.dueManifests(s)
	if err != nil {
		return rv, err
	}
	rv.More = len(due) > 0 // or of another registry
	for _, id := range due {
		if s.over(start) {
			rv.More = true
			break
		}
		if err := tx.collectManifest(&rv, id, going); err != nil {
			return meta.Review{}, err
		}
	}
	return rv, nil
}

// dueManifests gives the manifests to review, of the first registry that has some.
func (tx *Tx) dueManifests(s Step) ([]int64, error) {
	for _, r := range tx.db.retained.list() {
		due, err := tx.ids(dueManifests+tx.db.skipLocked(), r.registry, micros(s.Until.Add(-tx.db.delay(r.time))), s.Rows)
		if err != nil || len(due) > 0 {
			return due, err
		}
	}
	return nil, nil
}

// PostponeManifest is PostponeBlob for manifests.
func (tx *Tx) PostponeManifest(until time.Time) error {
	due, err := tx.dueManifests(Step{Until: until, Rows: 1})
	if err != nil || len(due) == 0 {
		return err
	}
	return tx.postpone("gc_manifest_queue", "manifest_id", due[0])
}

// manifestUse is what keeps a manifest, or nothing.
type manifestUse struct {
	registry, repoID        int64
	repo                    string
	digest                  []byte
	size                    int64
	locks, repoLocks        meta.Locks
	tagged, listed, subject bool
}

func (u *manifestUse) used() bool   { return u.tagged || u.listed || u.subject }
func (u *manifestUse) locked() bool { return (u.locks|u.repoLocks)&meta.NoRemoval != 0 }

// manifestUseQuery tells what keeps a manifest.
const manifestUseQuery = `SELECT m.registry_id, m.repo_id, r.name, m.digest, m.size, m.locks, r.locks,
		EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id),
		EXISTS (SELECT 1 FROM manifest_children c WHERE c.child_id = m.id),
		EXISTS (SELECT 1 FROM manifests s WHERE s.repo_id = m.repo_id AND s.digest = m.subject)
	FROM manifests m JOIN repositories r ON r.id = m.repo_id WHERE m.id = $1`

func scanManifestUse(scan func(...any) error) (u manifestUse, err error) {
	err = scan(&u.registry, &u.repoID, &u.repo, &u.digest, &u.size, &u.locks, &u.repoLocks, &u.tagged, &u.listed, &u.subject)
	return u, err
}

// collectManifest deletes a manifest unless something keeps it, or it is locked
// by somebody who is about to use it.
func (tx *Tx) collectManifest(rv *meta.Review, id int64, going func(meta.Removal)) error {
	if skip := tx.db.skipLocked(); skip != "" {
		var one int
		err := tx.row(`SELECT 1 FROM manifests WHERE id = $1`+skip, id).Scan(&one)
		if errors.Is(err, ErrNotFound) {
			return tx.absent(rv, `SELECT EXISTS (SELECT 1 FROM manifests WHERE id = $1)`, id, "gc_manifest_queue", "manifest_id")
		}
		if err != nil {
			return err
		}
	}
	use, err := scanManifestUse(tx.row(manifestUseQuery, id).Scan)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return err
	case use.used():
		rv.Kept++
	case use.locked():
		rv.Postponed++
		delay, _ := tx.db.manifestDelay(use.registry)
		_, err := tx.exec(`UPDATE gc_manifest_queue SET review_after = $2 WHERE manifest_id = $1`,
			id, micros(tx.db.now().Add(lockReview-delay)))
		return err
	default:
		going(meta.Removal{Registry: use.registry, Digest: unpackDigest(use.digest), Manifest: true, Repositories: []string{use.repo}})
		if err := tx.deleteUnused(id, &use); err != nil {
			return fmt.Errorf("manifest %s of %s: %w", unpackDigest(use.digest), use.repo, err)
		}
		rv.Removed++
		rv.Freed += use.size
	}
	_, err = tx.exec(`DELETE FROM gc_manifest_queue WHERE manifest_id = $1`, id)
	return err
}

// deleteUnused deletes a manifest that nothing keeps. Tags and indexes that came
// meanwhile are not touched, so that their foreign keys refuse it.
func (tx *Tx) deleteUnused(id int64, use *manifestUse) error {
	if err := tx.keepManifests(use.registry, use.repo, Collector, "id", id); err != nil {
		return err
	}
	if err := tx.letGo(use.repoID, id, use.digest); err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM manifests WHERE id = $1`, id); err != nil {
		return err
	}
	return tx.touch(use.repoID)
}
