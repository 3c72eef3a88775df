// Package sqlmeta stores the metadata in SQL: one file per topic, each query
// beside the method that runs it. The engine is SQLite in WAL mode, written by
// one goroutine that commits many requests at once (commit.go) and read by a
// small pool of connections.
//
// Queries are written with $N placeholders, which SQLite would take for named
// parameters numbered by appearance; they are sent as ?N. Times are Unix
// microseconds and ids are made here, so that a write needs no answer from the
// database.
package sqlmeta

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

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
	// ErrClosed: the database was closed.
	ErrClosed = errors.New("metadata store is closed")

	errDamaged = errors.New("the metadata database is damaged, restore it from a backup")
)

//go:embed migrations/*.sql
var migrations embed.FS

// Options change how a database is opened. The zero value is the default.
type Options struct {
	Readers int              // connections for reading; 4 if 0
	Now     func() time.Time // the clock; time.Now if nil
	// KeepDeleted is how long what is deleted can be restored; not at all if 0.
	KeepDeleted time.Duration
	// Fault is called before and after each commit, in tests that crash there.
	Fault func(point string) error
}

// DB is an open metadata store. Its methods may be called concurrently.
type DB struct {
	write *sql.DB
	read  *sql.DB
	now   func() time.Time
	keep  time.Duration // how long what is deleted can be restored
	fault func(string) error

	reads sync.Map // query text -> *sql.Stmt on the read pool
	queue chan *request
	stop  chan struct{}
	done  chan struct{}

	// sparse tells whether any manifest may be waiting for blobs.
	sparse atomic.Bool

	closing sync.Once
	ids     idMaker
}

// Open opens the SQLite database at path, makes it if it is absent, and brings
// its schema up to date.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Fault == nil {
		o.Fault = func(string) error { return nil }
	}
	if err := makePrivate(path); err != nil {
		return nil, err
	}
	db := &DB{now: o.Now, keep: o.KeepDeleted, fault: o.Fault, queue: make(chan *request, maxBatch), stop: make(chan struct{}), done: make(chan struct{})}
	var err error
	if db.write, err = sql.Open("sqlite", dsn(path, "cache_size(-8192)", "journal_size_limit(0)")); err != nil {
		return nil, fmt.Errorf("open metadata: %w", err)
	}
	db.write.SetMaxOpenConns(1)
	if err := migrate(ctx, db.write); err != nil {
		db.write.Close()
		return nil, fmt.Errorf("open metadata %s: %w", filepath.Base(path), err)
	}
	if db.read, err = sql.Open("sqlite", dsn(path, "cache_size(-4096)", "query_only(1)")); err != nil {
		db.write.Close()
		return nil, fmt.Errorf("open metadata: %w", err)
	}
	db.read.SetMaxOpenConns(o.Readers)
	db.read.SetMaxIdleConns(o.Readers)
	writer, err := newWriter(db)
	if err == nil {
		err = errors.Join(db.startIDs(ctx), db.startSparse(ctx))
	}
	if err != nil {
		db.write.Close()
		db.read.Close()
		return nil, err
	}
	go writer.run()
	return db, nil
}

// startIDs makes new ids larger than all that exist, also after the clock was
// set back.
func (db *DB) startIDs(ctx context.Context) error {
	var last int64
	err := db.row(ctx, `SELECT max(
		coalesce((SELECT max(id) FROM repositories), 0), coalesce((SELECT max(id) FROM blobs), 0),
		coalesce((SELECT max(id) FROM manifests), 0), coalesce((SELECT max(id) FROM tag_history), 0),
		coalesce((SELECT max(id) FROM deleted_manifests), 0), coalesce((SELECT max(id) FROM deleted_tags), 0))`).Scan(&last)
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

// makePrivate creates the database file readable by its owner only; SQLite
// gives its other files the same mode.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open metadata: %w", err)
	}
	return f.Close()
}

// dsn names a database for the driver. busy_timeout comes first, so that the
// other settings wait for a lock instead of failing.
func dsn(path string, pragmas ...string) string {
	q := url.Values{}
	for _, p := range append([]string{"busy_timeout(5000)", "page_size(4096)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// migrate brings the schema up to date. Migrations only go forward.
func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return err
	}
	if _, err = p.Up(ctx); err != nil {
		err = explain(err)
		if damage := sound(ctx, db); errors.Is(damage, errDamaged) && !errors.Is(err, errDamaged) {
			err = fmt.Errorf("%w: %w", damage, err)
		}
		return fmt.Errorf("migrate: %w", err)
	}
	current, ours, err := p.GetVersions(ctx)
	if err == nil && current > ours {
		err = fmt.Errorf("version %d was written by a newer orlopd, this one knows %d", current, ours)
	}
	return explain(err)
}

// sound tells whether the database is whole. It reads all of it, so that it is
// asked only where something has failed that damage may explain.
func sound(ctx context.Context, db *sql.DB) error {
	var found string
	err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found)
	if err == nil && found != "ok" {
		err = fmt.Errorf("%w: %s", errDamaged, found)
	}
	return explain(err)
}

// Close waits for writes under way and closes the database.
func (db *DB) Close() error {
	var err error
	db.closing.Do(func() {
		close(db.stop)
		<-db.done
		err = errors.Join(db.read.Close(), db.write.Close())
	})
	return err
}

// Ping tells whether the database can be read.
func (db *DB) Ping(ctx context.Context) error {
	var any bool
	return db.row(ctx, "SELECT EXISTS (SELECT 1 FROM repositories)").Scan(&any)
}

// row runs a query that gives at most one row. Point reads are not cancelled:
// they are shorter than what watching the context costs.
func (db *DB) row(ctx context.Context, query string, args ...any) row {
	stmt, err := db.prepare(ctx, query)
	if err != nil {
		return row{err: err}
	}
	return row{row: stmt.QueryRowContext(context.WithoutCancel(ctx), args...)}
}

// rows runs a query that gives many rows.
func (db *DB) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := db.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(context.WithoutCancel(ctx), args...)
	return rows, explain(err)
}

func (db *DB) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := db.reads.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	stmt, err := db.read.PrepareContext(context.WithoutCancel(ctx), numbered(query))
	if err != nil {
		return nil, explain(fmt.Errorf("prepare %q: %w", query, err))
	}
	if old, loaded := db.reads.LoadOrStore(query, stmt); loaded {
		stmt.Close()
		return old.(*sql.Stmt), nil
	}
	return stmt, nil
}

// numbered turns $N into ?N. No query has a dollar sign elsewhere.
func numbered(query string) string { return strings.ReplaceAll(query, "$", "?") }

// row is a row to be scanned, or the error of asking for it.
type row struct {
	row *sql.Row
	err error
}

// Scan reads the row's columns; ErrNotFound if there is no row.
func (r row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return explain(r.row.Scan(dest...))
}

// explain turns the driver's errors into this package's.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE:
			return fmt.Errorf("%w: %w", ErrFull, err)
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	return err
}
