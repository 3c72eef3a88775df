// Package sqlmeta stores the metadata in SQL: one file per topic, each query
// beside the method that runs it, in a text that both engines take. These are
// SQLite in WAL mode, written by one goroutine that commits many requests at
// once (sqlite.go, commit.go), and PostgreSQL, to which many processes write
// (postgres.go and the files that begin so).
//
// Queries are written with $N placeholders, which SQLite would take for named
// parameters numbered by appearance; they are sent to it as ?N. Times are Unix
// microseconds and ids are made here, so that a write needs no answer from the
// database.
package sqlmeta

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orlop/orlop"
)

// Errors of the store, beside sql.ErrNoRows, which its methods do not return.
var (
	// ErrNotFound: no such row.
	ErrNotFound = errors.New("not found")
	// ErrFull: the disk or the database is full. Nothing was changed.
	ErrFull = fmt.Errorf("no space left for metadata: %w", orlop.ErrStorageFull)
	// ErrFailed: a write could not be made durable, and the database takes no
	// more writes until it is opened again.
	ErrFailed = errors.New("metadata store failed")
	// ErrUnavailable: the database cannot be reached, or gives no answer in
	// time. A change may have been made all the same.
	ErrUnavailable = fmt.Errorf("metadata store does not answer: %w", orlop.ErrUnavailable)
	// ErrSchema: the database is of an older orlopd.
	ErrSchema = errors.New("the database is of an older orlopd")
	// ErrText: a text holds what the database cannot, a NUL, or is too long to be
	// looked up by.
	ErrText = errors.New("the database cannot store a text")
	// ErrClosed: the database was closed.
	ErrClosed = errors.New("metadata store is closed")

	errDamaged = errors.New("the metadata database is damaged, restore it from a backup")
)

// Options change how a database is opened. The zero value is the default.
type Options struct {
	Readers int              // connections for reading; 4 if 0
	Now     func() time.Time // the clock; time.Now if nil
	// KeepDeleted is how long what is deleted can be restored; not at all if 0.
	KeepDeleted time.Duration
	// UntaggedRetention is how long a manifest stays that no tag, no index and no
	// subject needs; for ever if 0. It is not less than ReviewGrace.
	UntaggedRetention time.Duration
	// ReviewGrace is how long content is safe from collection after the event that
	// may have orphaned it; 24 hours if 0, none if negative.
	ReviewGrace time.Duration
	// ObjectGrace is how long an object outlives its last row; 2 hours if 0, none if
	// negative.
	ObjectGrace time.Duration
	// Existing: the database must be there, with the schema of this program. One
	// that is served meanwhile is not changed by being opened.
	Existing bool
	// Fault is called before and after each commit, in tests that crash there.
	Fault func(point string) error
}

// setDefaults fills in what is not set.
func (o *Options) setDefaults() {
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Fault == nil {
		o.Fault = func(string) error { return nil }
	}
}

// DB is an open metadata store. Its methods may be called concurrently.
type DB struct {
	engine engine
	now    func() time.Time
	keep   time.Duration // how long what is deleted can be restored
	graces
	retained retained // how long registries keep manifests that nothing needs
	keepings keepings // how long registries keep what is deleted
	fault    func(string) error

	// sparse tells whether any manifest may be waiting for blobs.
	sparse atomic.Bool

	closing sync.Once
	ids     idMaker
}

// newDB is a DB that has no engine yet.
func newDB(o Options) *DB {
	return &DB{now: o.Now, keep: o.KeepDeleted, graces: o.graces(), fault: o.Fault}
}

// start finds out what the database holds that the process has to know.
func (db *DB) start(ctx context.Context) error {
	err := errors.Join(db.startIDs(ctx), db.startSparse(ctx), db.readKeepings(ctx))
	if err != nil {
		db.engine.close()
	}
	return err
}

// startIDs makes new ids larger than all that exist, also after the clock was
// set back.
func (db *DB) startIDs(ctx context.Context) error {
	all := `SELECT max(id) AS id FROM repositories UNION ALL SELECT max(id) FROM blobs UNION ALL SELECT max(id) FROM manifests
		UNION ALL SELECT max(id) FROM deleted_manifests UNION ALL SELECT max(id) FROM deleted_tags`
	if !db.Shared() { // where it is, a tag's history sees to its ids
		all += ` UNION ALL SELECT max(id) FROM tag_history`
	}
	var last int64
	err := db.row(ctx, `SELECT coalesce(max(id), 0) FROM (`+all+`) ids`).Scan(&last)
	db.ids.last.Store(last)
	return err
}

// startSparse finds out whether manifests are waiting for blobs.
func (db *DB) startSparse(ctx context.Context) error {
	var waiting bool
	err := db.row(ctx, `SELECT EXISTS (SELECT 1 FROM missing_blobs)`).Scan(&waiting)
	db.sparse.Store(waiting)
	return err
}

// mayBeSparse tells whether manifests may be waiting for blobs. Of what other
// processes do it is never sure.
func (db *DB) mayBeSparse() bool { return db.Shared() || db.sparse.Load() }

// Close waits for writes under way and closes the database.
func (db *DB) Close() error {
	var err error
	db.closing.Do(func() { err = db.engine.close() })
	return err
}

// Ping tells whether the database can be read.
func (db *DB) Ping(ctx context.Context) error {
	var any bool
	return db.row(ctx, "SELECT EXISTS (SELECT 1 FROM repositories)").Scan(&any)
}

// explain turns the drivers' errors into this package's.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) { // also pgx's
		return ErrNotFound
	}
	return explainPostgres(explainSQLite(err))
}
