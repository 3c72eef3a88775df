package sqlmeta

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteEngine is a SQLite file: one connection that writes, in the hands of
// one goroutine (commit.go), and a pool of connections that read.
type sqliteEngine struct {
	db    *DB
	write *sql.DB
	read  *sql.DB

	reads sync.Map // query text -> *sql.Stmt on the read pool
	queue chan *request
	stop  chan struct{}
	done  chan struct{}
}

// Open opens the SQLite database at path, makes it if it is absent, and brings
// its schema up to date.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	o.setDefaults()
	if o.Existing {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("open metadata: %w", err)
		}
	} else if err := makePrivate(path); err != nil {
		return nil, err
	}
	db := newDB(o)
	e := &sqliteEngine{db: db, queue: make(chan *request, maxBatch), stop: make(chan struct{}), done: make(chan struct{})}
	db.engine = e
	var err error
	if e.write, err = sql.Open("sqlite", dsn(path, "cache_size(-8192)", journalSize)); err != nil {
		return nil, fmt.Errorf("open metadata: %w", err)
	}
	e.write.SetMaxOpenConns(1)
	if err := migrateSQLite(ctx, e.write, o.Existing); err != nil {
		e.write.Close()
		return nil, fmt.Errorf("open metadata %s: %w", filepath.Base(path), err)
	}
	if e.read, err = sql.Open("sqlite", dsn(path, "cache_size(-4096)", "query_only(1)")); err != nil {
		e.write.Close()
		return nil, fmt.Errorf("open metadata: %w", err)
	}
	e.read.SetMaxOpenConns(o.Readers)
	e.read.SetMaxIdleConns(o.Readers)
	writer, err := newWriter(e)
	if err != nil {
		return nil, errors.Join(err, e.read.Close(), e.write.Close())
	}
	go writer.run()
	return db, db.start(ctx)
}

// journalSize keeps the file of the log, in bytes as much as it has before it is
// written back, for the next round: to write over it costs less than to grow it.
const journalSize = "journal_size_limit(4194304)"

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

func (e *sqliteEngine) shared() bool { return false }

func (e *sqliteEngine) close() error {
	close(e.stop)
	<-e.done
	return errors.Join(e.read.Close(), e.write.Close())
}

func (e *sqliteEngine) row(ctx context.Context, query string, args []any) row {
	stmt, err := e.prepare(ctx, query)
	if err != nil {
		return row{err: err}
	}
	return row{row: stmt.QueryRowContext(context.WithoutCancel(ctx), args...)}
}

func (e *sqliteEngine) rows(ctx context.Context, query string, args []any) (rows, error) {
	stmt, err := e.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return sqliteRows(stmt.QueryContext(context.WithoutCancel(ctx), args...))
}

// sqliteRows keeps a nil result from becoming an interface that is not nil.
func sqliteRows(found *sql.Rows, err error) (rows, error) {
	if err != nil {
		return nil, explain(err)
	}
	return found, nil
}

func (e *sqliteEngine) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := e.reads.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	stmt, err := e.read.PrepareContext(context.WithoutCancel(ctx), numbered(query))
	if err != nil {
		return nil, explain(fmt.Errorf("prepare %q: %w", query, err))
	}
	if old, loaded := e.reads.LoadOrStore(query, stmt); loaded {
		stmt.Close()
		return old.(*sql.Stmt), nil
	}
	return stmt, nil
}

// numbered turns $N into ?N, or into ? where each comes once and in order: a
// parameter with a number has a name, and the driver looks for the names one by
// one. No query has a dollar sign elsewhere.
func numbered(query string) string {
	var b strings.Builder
	rest := query
	for n := 1; ; n++ {
		before, after, found := strings.Cut(rest, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		number := strconv.Itoa(n)
		tail, ok := strings.CutPrefix(after, number)
		if !ok || tail != "" && '0' <= tail[0] && tail[0] <= '9' {
			return strings.ReplaceAll(query, "$", "?")
		}
		b.WriteByte('?')
		rest = tail
	}
}

// explainSQLite turns the driver's errors into this package's.
func explainSQLite(err error) error {
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
