package sqlmeta

import "context"

// engine is a database. What implements it alone knows drivers; queries are
// beside the methods that run them, in one text for all engines or, where that
// cannot be, in two side by side.
type engine interface {
	// update is DB.Update.
	update(ctx context.Context, fn func(*Tx) error) error
	// row and rows read what is committed.
	row(ctx context.Context, query string, args []any) row
	rows(ctx context.Context, query string, args []any) (rows, error)
	// snapshot begins to read what is committed now, until end is called.
	snapshot(ctx context.Context) (s session, end func() error, err error)
	// shared is DB.Shared.
	shared() bool
	close() error
}

// session is a connection inside of a transaction.
type session interface {
	exec(query string, args []any) (int64, error)
	row(query string, args []any) row
	rows(query string, args []any) (rows, error)
}

// rows are the rows of a result, one after the other. Close may be called more
// than once.
type rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// row is a row to be scanned, or the error of asking for it.
type row struct {
	row interface{ Scan(dest ...any) error }
	err error
}

// Scan reads the row's columns; ErrNotFound if there is no row.
func (r row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return explain(r.row.Scan(dest...))
}

// Tx is a transaction of Update. It is valid only until fn returns.
type Tx struct {
	db      *DB
	session session
	sharing
}

// exec runs a statement and returns how many rows it changed.
func (tx *Tx) exec(query string, args ...any) (int64, error) { return tx.session.exec(query, args) }

// row runs a query that gives at most one row.
func (tx *Tx) row(query string, args ...any) row { return tx.session.row(query, args) }

// rows runs a query that gives many rows. They must be closed before the next
// statement.
func (tx *Tx) rows(query string, args ...any) (rows, error) { return tx.session.rows(query, args) }

// plain runs a statement without arguments or result.
func (tx *Tx) plain(query string) error {
	_, err := tx.exec(query)
	return err
}

// Update runs fn in a transaction and makes its changes durable before it
// returns nil. If fn or the commit fails, nothing of it stays.
//
// fn must be short, use only tx, and do nothing but SQL and assignments: on
// PostgreSQL it is run again if another transaction came between what it read
// and what it wrote, so that whatever it assigns must be assigned by each run.
// After a failed statement it must return.
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error { return db.engine.update(ctx, fn) }

// row runs a query that gives at most one row. Point reads are not cancelled:
// they are shorter than what watching the context costs.
func (db *DB) row(ctx context.Context, query string, args ...any) row {
	return db.engine.row(ctx, query, args)
}

// rows runs a query that gives many rows.
func (db *DB) rows(ctx context.Context, query string, args ...any) (rows, error) {
	return db.engine.rows(ctx, query, args)
}

// Shared tells whether other processes may write to the database too. What was
// read from it is not to be kept then.
func (db *DB) Shared() bool { return db.engine.shared() }

// locking is a clause that locks the rows of a query until the end of the
// transaction, or nothing where there is one writer only.
func (db *DB) locking(clause string) string {
	if !db.Shared() {
		return ""
	}
	return clause
}

// skipLocked is the end of a query that leaves out rows that another
// transaction has in hand.
func (db *DB) skipLocked() string { return db.locking(" FOR UPDATE SKIP LOCKED") }
