package sqlmeta

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// answerLimit bounds the wait for an answer of the database: to one read, or
	// to all of a transaction. It is for a database that has gone away without a
	// word; none of ours takes long.
	answerLimit = 20 * time.Second
	// connectLimit bounds the wait for a connection.
	connectLimit = 5 * time.Second
	// pingLimit bounds the wait for a sign of life of a connection that has been
	// idle: what is between us may have forgotten it without a word.
	pingLimit = 2 * time.Second
	// defaultConns is how many connections a node opens at most where the URL
	// does not say (pool_max_conns).
	defaultConns = 16
)

// pgEngine is a PostgreSQL database, or one that speaks its protocol and SQL.
// Any number of processes may have it open.
type pgEngine struct {
	db     *DB
	pool   *pgxpool.Pool
	closed atomic.Bool
}

// OpenPostgres opens the PostgreSQL database that a URL names
// (postgres://user@host/database?sslmode=verify-full&pool_max_conns=16; a list
// of hosts is tried in turn), and brings its schema up to date. What the URL
// leaves out is taken from the environment and the files that PostgreSQL's own
// clients use: PGPASSWORD, PGPASSFILE, PGSSLROOTCERT and so on.
func OpenPostgres(ctx context.Context, url string, o Options) (*DB, error) {
	o.setDefaults()
	cfg, err := pgConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open metadata: %w", err)
	}
	return openPostgres(ctx, cfg, o)
}

func openPostgres(ctx context.Context, cfg *pgxpool.Config, o Options) (*DB, error) {
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open metadata: %w", err)
	}
	db := newDB(o)
	db.ids.share()
	db.engine = &pgEngine{db: db, pool: pool}
	if err := db.migrateBriefly(ctx, cfg.ConnConfig, o.Existing); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open metadata: %w", err)
	}
	return db, db.start(ctx)
}

func pgConfig(url string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url) // its errors do not show the password
	if err != nil {
		return nil, err
	}
	if !strings.Contains(url, "pool_max_conns=") {
		cfg.MaxConns = defaultConns
	}
	cfg.PingTimeout = pingLimit
	conn := cfg.ConnConfig
	if conn.ConnectTimeout == 0 || conn.ConnectTimeout > connectLimit {
		conn.ConnectTimeout = connectLimit
	}
	for name, value := range map[string]string{
		"application_name": "orlopd",
		// A node that stops in the middle of a transaction must not keep its rows
		// from the others.
		"idle_in_transaction_session_timeout": "20000",
	} {
		if _, set := conn.RuntimeParams[name]; !set {
			conn.RuntimeParams[name] = value
		}
	}
	return cfg, nil
}

// migrateBriefly brings the schema up to date on connections that end with it.
func (db *DB) migrateBriefly(ctx context.Context, cfg *pgx.ConnConfig, existing bool) error {
	conns := stdlib.OpenDB(*cfg)
	err := migratePostgres(ctx, conns, existing)
	return errors.Join(err, conns.Close())
}

func (e *pgEngine) shared() bool { return true }

func (e *pgEngine) close() error {
	e.closed.Store(true)
	e.pool.Close() // waits for connections in use
	return nil
}

func (e *pgEngine) row(ctx context.Context, query string, args []any) row {
	return row{row: pgRow{engine: e, ctx: context.WithoutCancel(ctx), query: query, args: args}}
}

// pgRow is a query that is carried out when its row is scanned.
type pgRow struct {
	engine *pgEngine
	ctx    context.Context
	query  string
	args   []any
}

// Scan runs the query and reads its row.
func (r pgRow) Scan(dest ...any) error {
	return r.engine.reading(r.ctx, func(limited context.Context, cancel func()) error {
		defer cancel()
		return r.engine.pool.QueryRow(limited, r.query, r.args...).Scan(dest...)
	})
}

func (e *pgEngine) rows(ctx context.Context, query string, args []any) (found rows, err error) {
	err = e.reading(context.WithoutCancel(ctx), func(limited context.Context, cancel func()) error {
		rows, err := e.pool.Query(limited, query, args...)
		if err != nil {
			cancel()
			return err
		}
		found = pgRows{rows, cancel}
		return nil
	})
	return found, err
}

// reading carries out a query, and once again if the connection was broken, as
// all are after the database was restarted. The query gets the function that
// ends the limit of its context.
func (e *pgEngine) reading(ctx context.Context, query func(context.Context, func()) error) error {
	for try := 0; ; try++ {
		if e.closed.Load() {
			return ErrClosed
		}
		limited, cancel := context.WithTimeout(ctx, answerLimit)
		err := query(limited, cancel)
		if err == nil || try > 0 || !disconnected(err) || limited.Err() == context.DeadlineExceeded {
			return explain(err)
		}
	}
}

// pgRows are rows whose connection goes back to the pool when they are closed.
type pgRows struct {
	pgx.Rows
	cancel context.CancelFunc
}

// Close ends the query.
func (r pgRows) Close() error {
	r.Rows.Close()
	r.cancel()
	return r.Rows.Err()
}
