package sqlmeta

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/orlop/orlop/internal/meta"
)

// explainPage is how many rows are looked at in one go, and explainRepositories
// how many repositories a finding names at most.
const (
	explainPage         = 100
	explainRepositories = 5
)

// GCFindings tells what a collector would remove now and why, and, with kept, of
// all else that waits for it why that stays. It changes nothing, and takes no
// snapshot: what is used meanwhile may be told of either way.
func (db *DB) GCFindings(ctx context.Context, kept bool) iter.Seq2[meta.Finding, error] {
	return func(yield func(meta.Finding, error) bool) {
		e := explainer{db: db, ctx: ctx, now: db.now(), kept: kept, yield: yield}
		for _, step := range []func() (bool, error){e.uploads, e.deleted, e.manifests, e.blobs, e.objects} {
			more, err := step()
			if err != nil {
				yield(meta.Finding{}, err)
			}
			if err != nil || !more {
				return
			}
		}
	}
}

type explainer struct {
	db    *DB
	ctx   context.Context
	now   time.Time
	kept  bool
	yield func(meta.Finding, error) bool
}

// limit is up to which time rows are looked at: those that are due at a moment, or
// all.
func (e *explainer) limit(due time.Time) int64 {
	if e.kept {
		return math.MaxInt64
	}
	return micros(due)
}

// give yields a finding, if it was asked for.
func (e *explainer) give(f meta.Finding) bool {
	return !f.Goes && !e.kept || e.yield(f, nil)
}

// due is whether something has come that was to come at a time, and why it goes or
// stays.
func (e *explainer) due(at time.Time, goes, stays string) (bool, string) {
	if at.After(e.now) {
		return false, stays + " until " + at.Format(time.RFC3339)
	}
	return true, goes
}

// pages goes through a query in the order of a time and a key, which are the first
// two that scan reads and the query's last two arguments but one.
func pages[K any, T any](e *explainer, first K, query string, args []any, scan func(func(...any) error) (T, error),
	key func(T) (int64, K), each func(T) (bool, error),
) (bool, error) {
	at, last := int64(math.MinInt64), first
	for {
		page, err := list(e.db, e.ctx, scan, query, append(append([]any{}, args...), at, last, explainPage)...)
		if err != nil {
			return false, err
		}
		for _, row := range page {
			if more, err := each(row); err != nil || !more {
				return false, err
			}
			at, last = key(row)
		}
		if len(page) < explainPage {
			return true, e.ctx.Err()
		}
	}
}

// explainRow is a row that waits.
type explainRow struct {
	at       int64
	id       int64
	registry int64
	name     string
	repo     string
	size     int64
	dgst     []byte
}

func (r explainRow) byID() (int64, int64)    { return r.at, r.id }
func (r explainRow) byName() (int64, string) { return r.at, r.name }

func (e *explainer) uploads() (bool, error) {
	return pages(e, "", `SELECT expires, id, repo, next_offset FROM uploads
		WHERE expires < $1 AND (expires, id) > ($2, $3) ORDER BY expires, id LIMIT $4`, []any{e.limit(e.now)},
		func(scan func(...any) error) (r explainRow, err error) {
			err = scan(&r.at, &r.name, &r.repo, &r.size)
			return r, err
		}, explainRow.byName,
		func(r explainRow) (bool, error) {
			f := meta.Finding{Kind: meta.GCUpload, Repositories: []string{r.repo}, Name: r.name, Size: r.size}
			f.Goes, f.Reason = e.due(moment(r.at), "the upload has expired", "the upload can be gone on with")
			return e.give(f), nil
		})
}

func (e *explainer) deleted() (bool, error) {
	if err := e.db.readKeepings(e.ctx); err != nil {
		return false, err
	}
	return pages(e, int64(math.MinInt64), `SELECT deleted, id, registry_id, repo, digest, image_size FROM deleted_manifests
		WHERE deleted <= $1 AND $2 < CAST(1 AS bigint) AND id > $3 ORDER BY id LIMIT $4`, []any{e.limit(e.now.Add(-e.db.shortestKeeping()))},
		func(scan func(...any) error) (r explainRow, err error) {
			err = scan(&r.at, &r.id, &r.registry, &r.repo, &r.dgst, &r.size)
			return r, err
		}, func(r explainRow) (int64, int64) { return 0, r.id },
		func(r explainRow) (bool, error) {
			f := meta.Finding{Kind: meta.GCDeleted, Repositories: []string{r.repo}, Digest: unpackDigest(r.dgst), Size: r.size, Since: moment(r.at)}
			f.Goes, f.Reason = e.due(moment(r.at).Add(e.db.keeping(r.registry).time), "it was deleted and can be restored no more", "it was deleted and can be restored")
			return e.give(f), nil
		})
}

func (e *explainer) manifests() (bool, error) {
	if err := e.db.readRetentions(e.ctx); err != nil {
		return false, err
	}
	registries, err := list(e.db, e.ctx, func(scan func(...any) error) (id int64, err error) {
		err = scan(&id)
		return id, err
	}, `SELECT id FROM registries ORDER BY id`)
	if err != nil {
		return false, err
	}
	for _, registry := range registries {
		delay, on := e.db.manifestDelay(registry)
		if !on && !e.kept {
			continue
		}
		if more, err := e.manifestsOf(registry, delay, on); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

func (e *explainer) manifestsOf(registry int64, delay time.Duration, on bool) (bool, error) {
	return pages(e, int64(0), `SELECT review_after, manifest_id FROM gc_manifest_queue
		WHERE registry_id = $1 AND review_after <= $2 AND (review_after, manifest_id) > ($3, $4) ORDER BY review_after, manifest_id LIMIT $5`,
		[]any{registry, e.limit(e.now.Add(-delay))}, scanWaiting, explainRow.byID,
		func(r explainRow) (bool, error) {
			use, err := scanManifestUse(e.db.row(e.ctx, manifestUseQuery, r.id).Scan)
			if errors.Is(err, ErrNotFound) {
				return true, nil
			}
			if err != nil {
				return false, err
			}
			f := meta.Finding{
				Kind: meta.GCManifest, Repositories: []string{use.repo}, Digest: unpackDigest(use.digest), Size: use.size,
				Since: moment(r.at).Add(-e.db.reviewGrace),
			}
			switch {
			case use.tagged:
				f.Reason = "a tag names it"
			case use.listed:
				f.Reason = "an index lists it"
			case use.subject:
				f.Reason = "it refers to a manifest that is there"
			case use.locked():
				f.Reason = "a lock keeps it"
			case !on:
				f.Reason = "manifests stay that nothing needs, as long as there is no retention"
			default:
				f.Goes, f.Reason = e.due(moment(r.at).Add(delay), "no tag, index or subject keeps it", "it is kept without a use")
			}
			return e.give(f), nil
		})
}

func scanWaiting(scan func(...any) error) (r explainRow, err error) {
	err = scan(&r.at, &r.id)
	return r, err
}

func (e *explainer) blobs() (bool, error) {
	return pages(e, int64(0), `SELECT review_after, blob_id FROM gc_blob_queue
		WHERE review_after <= $1 AND (review_after, blob_id) > ($2, $3) ORDER BY review_after, blob_id LIMIT $4`,
		[]any{e.limit(e.now)}, scanWaiting, explainRow.byID,
		func(r explainRow) (bool, error) {
			f, err := e.blob(r)
			if errors.Is(err, ErrNotFound) {
				return true, nil
			}
			if err != nil {
				return false, err
			}
			return e.give(f), nil
		})
}

func (e *explainer) blob(r explainRow) (meta.Finding, error) {
	f := meta.Finding{Kind: meta.GCBlob, Since: moment(r.at).Add(-e.db.reviewGrace)}
	var dgst []byte
	if err := e.db.row(e.ctx, `SELECT digest, size FROM blobs WHERE id = $1`, r.id).Scan(&dgst, &f.Size); err != nil {
		return f, err
	}
	f.Digest = unpackDigest(dgst)
	var err error
	f.Repositories, err = list(e.db, e.ctx, scanText, `SELECT r.name FROM repository_blobs l JOIN repositories r ON r.id = l.repo_id
		WHERE l.blob_id = $1 ORDER BY l.repo_id LIMIT $2`, r.id, explainRepositories)
	if err != nil {
		return f, err
	}
	for _, use := range []struct{ query, reason string }{
		{`SELECT r.name, m.digest FROM manifest_blobs e JOIN manifests m ON m.id = e.manifest_id JOIN repositories r ON r.id = m.repo_id
			WHERE e.blob_id = $1 LIMIT 1`, "manifest %s@%s uses it"},
		{`SELECT d.repo, d.digest FROM deleted_manifest_blobs e JOIN deleted_manifests d ON d.id = e.manifest_id
			WHERE e.blob_id = $1 LIMIT 1`, "manifest %s@%s uses it, which was deleted and can be restored"},
	} {
		var repo string
		err := e.db.row(e.ctx, use.query, r.id).Scan(&repo, &dgst)
		if err == nil {
			f.Reason = fmt.Sprintf(use.reason, repo, unpackDigest(dgst))
			return f, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return f, err
		}
	}
	f.Goes, f.Reason = e.due(moment(r.at), "no manifest uses it", "it was pushed, asked for or lost its use lately, and stays")
	return f, nil
}

func (e *explainer) objects() (bool, error) {
	return pages(e, "", `SELECT delete_after, storage_key, size FROM gc_objects
		WHERE delete_after <= $1 AND (delete_after, storage_key) > ($2, $3) ORDER BY delete_after, storage_key LIMIT $4`, []any{e.limit(e.now)},
		func(scan func(...any) error) (r explainRow, err error) {
			err = scan(&r.at, &r.name, &r.size)
			return r, err
		}, explainRow.byName,
		func(r explainRow) (bool, error) {
			f := meta.Finding{Kind: meta.GCObject, Name: r.name, Size: r.size}
			f.Goes, f.Reason = e.due(moment(r.at), "no row names the object", "no row names the object; who reads it has time")
			return e.give(f), nil
		})
}
