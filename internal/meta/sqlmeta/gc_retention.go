package sqlmeta

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// retention is how long a registry keeps manifests that nothing needs.
type retention struct {
	registry int64
	time     time.Duration // more than 0
}

// retained are the registries that do not keep them for ever, as read at the last
// look of a collector.
type retained struct{ known atomic.Pointer[[]retention] }

func (r *retained) list() []retention {
	if p := r.known.Load(); p != nil {
		return *p
	}
	return nil
}

// readRetentions learns how long registries keep manifests that nothing needs: as
// their policy says, or else the server.
func (db *DB) readRetentions(ctx context.Context) error {
	rows, err := db.rows(ctx, `SELECT id, retention, retention_days FROM registries WHERE deleted = 0 ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	known := []retention{}
	for rows.Next() {
		r := retention{time: db.retention}
		var on *bool
		var days *int64
		if err := rows.Scan(&r.registry, &on, &days); err != nil {
			return explain(err)
		}
		switch {
		case on != nil && !*on:
			continue
		case on != nil && days != nil:
			r.time = max(time.Duration(*days)*24*time.Hour, db.reviewGrace, 1)
		}
		if r.time > 0 {
			known = append(known, r)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return explain(err)
	}
	db.retained.known.Store(&known)
	return nil
}

// manifestDelay is how long after its review was due a manifest goes; false if
// its registry keeps it for ever.
func (db *DB) manifestDelay(registry int64) (time.Duration, bool) {
	for _, r := range db.retained.list() {
		if r.registry == registry {
			return db.delay(r.time), true
		}
	}
	return 0, false
}

// delay is how long after its review was due a manifest goes that is kept for a
// time.
func (g *graces) delay(kept time.Duration) time.Duration { return max(kept-g.reviewGrace, 0) }
