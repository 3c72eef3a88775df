package sqlmeta

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Snapshot is a database as it stood at one moment: what is written to it
// meanwhile is not seen. It holds a connection, and on SQLite keeps the log from
// being cut, so that it should not be open for longer than it must.
type Snapshot struct {
	db      *DB
	session session
	end     func() error
}

// Snapshot begins one. It must be closed.
func (db *DB) Snapshot(ctx context.Context) (*Snapshot, error) {
	session, end, err := db.engine.snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the metadata as of now: %w", err)
	}
	return &Snapshot{db, session, end}, nil
}

// Close ends the snapshot.
func (s *Snapshot) Close() error { return s.end() }

func (e *sqliteEngine) snapshot(ctx context.Context) (session, func() error, error) {
	conn, err := e.read.Conn(ctx)
	if err != nil {
		return nil, nil, explain(err)
	}
	s := sqliteSnapshot{ctx, conn}
	end := func() error {
		_, err := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return errors.Join(err, conn.Close())
	}
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return nil, nil, errors.Join(explain(err), conn.Close())
	}
	var any bool // the first read is the moment
	if err := s.row("SELECT EXISTS (SELECT 1 FROM registries)", nil).Scan(&any); err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return s, end, nil
}

// sqliteSnapshot is a connection in a transaction that only reads.
type sqliteSnapshot struct {
	ctx  context.Context
	conn *sql.Conn
}

var errReadOnly = errors.New("a snapshot is not written to")

func (s sqliteSnapshot) exec(string, []any) (int64, error) { return 0, errReadOnly }

func (s sqliteSnapshot) row(query string, args []any) row {
	return row{row: s.conn.QueryRowContext(s.ctx, numbered(query), args...)}
}

func (s sqliteSnapshot) rows(query string, args []any) (rows, error) {
	return sqliteRows(s.conn.QueryContext(s.ctx, numbered(query), args...))
}

func (e *pgEngine) snapshot(ctx context.Context) (session, func() error, error) {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, explain(err)
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		conn.Release()
		return nil, nil, explain(err)
	}
	end := func() error {
		defer conn.Release()
		return explain(tx.Rollback(context.WithoutCancel(ctx)))
	}
	// Between two of its queries content is copied, which takes its time.
	if _, err := tx.Exec(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		return nil, nil, errors.Join(explain(err), end())
	}
	return &pgSession{ctx: ctx, tx: tx}, end, nil
}

// reader is what a page is read from: a snapshot, or a database as it is.
type reader func(query string, args ...any) (rows, error)

func (s *Snapshot) rows(query string, args ...any) (rows, error) { return s.session.rows(query, args) }

// page reads rows with n columns each. Values are nil, int64, string or []byte,
// whatever the engine.
func (r reader) page(n int, query string, args ...any) ([][]any, error) {
	found, err := r(query, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var page [][]any
	for found.Next() {
		values, into := make([]any, n), make([]any, n)
		for i := range values {
			into[i] = &values[i]
		}
		if err := found.Scan(into...); err != nil {
			return nil, err
		}
		for i := range values {
			if values[i], err = plainValue(values[i]); err != nil {
				return nil, err
			}
		}
		page = append(page, values)
	}
	return page, errors.Join(found.Err(), found.Close())
}

// plainValue is a value that does not tell from which engine it comes.
func plainValue(v any) (any, error) {
	switch v := v.(type) {
	case nil, int64, string:
		return v, nil
	case int32:
		return int64(v), nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case []byte:
		return append([]byte{}, v...), nil // the driver may use it again; empty is not NULL
	default:
		return nil, fmt.Errorf("value of type %T in the metadata", v)
	}
}

// columns reads the columns of a table.
func (db *DB) columns(ctx context.Context, table string) (columns, error) {
	query, args := `SELECT name, lower(type), pk FROM pragma_table_info($1) ORDER BY pk`, []any{table}
	if db.Shared() {
		query = `SELECT c.column_name::text, c.data_type::text, coalesce(k.ordinal_position, 0)::bigint
			FROM information_schema.columns c
			LEFT JOIN information_schema.table_constraints p ON p.constraint_type = 'PRIMARY KEY'
				AND p.table_schema = c.table_schema AND p.table_name = c.table_name
			LEFT JOIN information_schema.key_column_usage k ON k.constraint_schema = p.constraint_schema
				AND k.constraint_name = p.constraint_name AND k.table_name = c.table_name AND k.column_name = c.column_name
			WHERE c.table_schema = current_schema() AND c.table_name = $1 ORDER BY 3`
	}
	read := reader(func(query string, args ...any) (rows, error) { return db.rows(ctx, query, args...) })
	page, err := read.page(3, query, args...)
	if err != nil {
		return columns{}, err
	}
	c := columns{kinds: map[string]string{}}
	for _, row := range page {
		name := row[0].(string)
		c.kinds[name] = strings.ToLower(row[1].(string))
		if row[2].(int64) > 0 {
			c.key = append(c.key, name)
		}
	}
	return c, nil
}
