package sqlmeta

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// maxBatch is how many requests one commit carries at most.
const maxBatch = 64

// request is one call of Update, on its way to the writer.
type request struct {
	fn   func(*Tx) error
	done chan error
}

// Update runs fn in a transaction and makes its changes durable before it
// returns nil. If fn or the commit fails, nothing of it stays.
//
// Requests that arrive while a commit is under way share the next one, each in
// a savepoint of its own. fn runs on the one goroutine that writes: it must be
// short, use only tx, and do nothing but SQL.
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	req := &request{fn: fn, done: make(chan error, 1)}
	select {
	case db.queue <- req:
	case <-db.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	// Once queued it will be answered; its outcome is not to be guessed.
	select {
	case err := <-req.done:
		return err
	case <-db.done:
		select {
		case err := <-req.done:
			return err
		default:
			return ErrClosed
		}
	}
}

// writer owns the one connection that writes.
type writer struct {
	db     *DB
	tx     Tx
	failed error // after a commit whose durability is unknown
}

func newWriter(db *DB) (*writer, error) {
	conn, err := db.write.Conn(context.Background())
	if err != nil {
		return nil, fmt.Errorf("open metadata: %w", explain(err))
	}
	return &writer{db: db, tx: Tx{db: db, conn: conn, stmts: map[string]*sql.Stmt{}}}, nil
}

// run carries out requests until the database is closed.
func (w *writer) run() {
	defer close(w.db.done)
	defer w.tx.close()
	batch := make([]*request, 0, maxBatch)
	for {
		select {
		case req := <-w.db.queue:
			batch = w.gather(append(batch[:0], req))
			w.commit(batch)
		case <-w.db.stop:
			return
		}
	}
}

// gather adds what waits in the queue.
func (w *writer) gather(batch []*request) []*request {
	for len(batch) < maxBatch {
		select {
		case req := <-w.db.queue:
			batch = append(batch, req)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch in one transaction and answers each of its requests.
func (w *writer) commit(batch []*request) {
	errs := make([]error, len(batch))
	err := w.transact(batch, errs)
	for i, req := range batch {
		if errs[i] == nil {
			errs[i] = err
		}
		req.done <- errs[i]
	}
}

func (w *writer) transact(batch []*request, errs []error) error {
	if w.failed != nil {
		return w.failed
	}
	if err := w.tx.plain("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	kept := 0
	for i, req := range batch {
		var broken error
		if errs[i], broken = w.savepoint(req.fn); broken != nil {
			w.tx.plain("ROLLBACK") // fails if SQLite has rolled back itself
			return broken
		}
		if errs[i] == nil {
			kept++
		}
	}
	if kept == 0 {
		return w.tx.plain("ROLLBACK")
	}
	err := w.db.fault("commit")
	if err == nil {
		err = w.tx.plain("COMMIT")
	}
	if err != nil {
		w.tx.plain("ROLLBACK") // fails if SQLite has rolled back itself
		w.failed = lost(err)
		return err
	}
	return w.db.fault("committed")
}

// savepoint runs fn so that it can fail without the rest of its batch. broken is
// why the whole transaction has gone: on a full disk, for one, SQLite may roll
// back all of it, and what came after would be committed on its own.
func (w *writer) savepoint(fn func(*Tx) error) (err, broken error) {
	if err := w.tx.plain("SAVEPOINT request"); err != nil {
		return err, err
	}
	if err = w.call(fn); err != nil {
		if e := w.tx.plain("ROLLBACK TO request"); e != nil {
			return err, errors.Join(err, e)
		}
	}
	if e := w.tx.plain("RELEASE request"); e != nil {
		return errors.Join(err, e), e
	}
	return err, nil
}

// call keeps a panic of one request from taking the writer down.
func (w *writer) call(fn func(*Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a metadata update: %v", p)
		}
	}()
	return fn(&w.tx)
}

// lost tells whether a failed commit leaves the durability of the file in
// doubt: after a failed sync the kernel may have dropped what was written.
func lost(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() {
		case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC:
			return fmt.Errorf("%w: %w", ErrFailed, err)
		}
	}
	return nil
}

// Tx is a transaction of Update. It is valid only until fn returns.
type Tx struct {
	db    *DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// exec runs a statement and returns how many rows it changed.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	stmt, err := tx.prepare(query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.Exec(args...)
	if err != nil {
		return 0, explain(err)
	}
	n, err := res.RowsAffected()
	return n, explain(err)
}

// row runs a query that gives at most one row.
func (tx *Tx) row(query string, args ...any) row {
	stmt, err := tx.prepare(query)
	if err != nil {
		return row{err: err}
	}
	return row{row: stmt.QueryRow(args...)}
}

// rows runs a query that gives many rows. They must be closed before the next
// statement.
func (tx *Tx) rows(query string, args ...any) (*sql.Rows, error) {
	stmt, err := tx.prepare(query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.Query(args...)
	return rows, explain(err)
}

// plain runs a statement without arguments or result.
func (tx *Tx) plain(query string) error {
	_, err := tx.exec(query)
	return err
}

func (tx *Tx) prepare(query string) (*sql.Stmt, error) {
	if s, ok := tx.stmts[query]; ok {
		return s, nil
	}
	stmt, err := tx.conn.PrepareContext(context.Background(), numbered(query))
	if err != nil {
		return nil, explain(fmt.Errorf("prepare %q: %w", query, err))
	}
	tx.stmts[query] = stmt
	return stmt, nil
}

func (tx *Tx) close() {
	for _, s := range tx.stmts {
		s.Close()
	}
	tx.conn.Close()
}
