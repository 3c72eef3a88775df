package sqlmeta

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// keeping tells whether what is deleted in a registry can be restored, and for
// how long, also what was deleted before that was turned off.
type keeping struct {
	on   bool
	time time.Duration
}

// keepings are the registries that have a policy of their own: as read at the
// start, after each change by this process, and whenever a collector looks around.
type keepings struct {
	known atomic.Pointer[map[int64]keeping]
}

// keeping returns that of a registry: its policy, or else the server's.
func (db *DB) keeping(registry int64) keeping {
	if p := db.keepings.known.Load(); p != nil {
		if k, ok := (*p)[registry]; ok {
			return k
		}
	}
	return keeping{db.keep > 0, db.keep}
}

// shortestKeeping is the shortest time that any registry keeps what is deleted.
func (db *DB) shortestKeeping() time.Duration {
	shortest := db.keep
	if p := db.keepings.known.Load(); p != nil {
		for _, k := range *p {
			shortest = min(shortest, k.time)
		}
	}
	return shortest
}

// gone is the moment before which what was deleted in a registry cannot be
// restored any more.
func (db *DB) gone(registry int64) int64 { return micros(db.now().Add(-db.keeping(registry).time)) }

// readKeepings learns the policies of registries.
func (db *DB) readKeepings(ctx context.Context) error {
	rows, err := db.rows(ctx, `SELECT id, soft_delete, soft_delete_days FROM registries WHERE soft_delete IS NOT NULL ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	known := map[int64]keeping{}
	for rows.Next() {
		var id int64
		var on *bool
		var days *int
		if err := rows.Scan(&id, &on, &days); err != nil {
			return explain(err)
		}
		if p := policy(on, days); p.Set {
			known[id] = keeping{p.Enabled, time.Duration(p.Days) * 24 * time.Hour}
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return explain(err)
	}
	db.keepings.known.Store(&known)
	return nil
}

// goneFrom selects, with each registry's own time, rows of a table of what was
// deleted; $1 is now and $2 the server's time in microseconds. The order of the
// join is that of the text, so that it takes a range of an index for each
// registry.
func goneFrom(table string) string {
	return `FROM registries r CROSS JOIN ` + table + ` d
		WHERE d.registry_id = r.id AND d.deleted <= $1 - coalesce(r.soft_delete_days * 86400000000, $2)`
}
