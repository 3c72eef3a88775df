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

// update is DB.Update. Requests that arrive while a commit is under way share
// the next one, each in a savepoint of its own. fn runs on the one goroutine
// that writes.
func (e *sqliteEngine) update(ctx context.Context, fn func(*Tx) error) error {
	req := &request{fn: fn, done: make(chan error, 1)}
	select {
	case e.queue <- req:
	case <-e.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	// Once queued it will be answered; its outcome is not to be guessed.
	select {
	case err := <-req.done:
		return err
	case <-e.done:
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
	engine  *sqliteEngine
	session *sqliteSession
	tx      Tx
	failed  error // after a commit whose durability is unknown
}

func newWriter(e *sqliteEngine) (*writer, error) {
	conn, err := e.write.Conn(context.Background())
	if err != nil {
		return nil, fmt.Errorf("open metadata: %w", explain(err))
	}
	s := &sqliteSession{conn: conn, stmts: map[string]*sql.Stmt{}}
	return &writer{engine: e, session: s, tx: Tx{db: e.db, session: s}}, nil
}

// run carries out requests until the database is closed.
func (w *writer) run() {
	defer close(w.engine.done)
	defer w.session.close()
	batch := make([]*request, 0, maxBatch)
	for {
		select {
		case req := <-w.engine.queue:
			batch = w.gather(append(batch[:0], req))
			w.commit(batch)
		case <-w.engine.stop:
			return
		}
	}
}

// gather adds what waits in the queue.
func (w *writer) gather(batch []*request) []*request {
	for len(batch) < maxBatch {
		select {
		case req := <-w.engine.queue:
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
	err := w.engine.db.fault("commit")
	if err == nil {
		err = w.tx.plain("COMMIT")
	}
	if err != nil {
		w.tx.plain("ROLLBACK") // fails if SQLite has rolled back itself
		w.failed = lost(err)
		return err
	}
	return w.engine.db.fault("committed")
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

// sqliteSession is the connection of the writer.
type sqliteSession struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (s *sqliteSession) exec(query string, args []any) (int64, error) {
	stmt, err := s.prepare(query)
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

func (s *sqliteSession) row(query string, args []any) row {
	stmt, err := s.prepare(query)
	if err != nil {
		return row{err: err}
	}
	return row{row: stmt.QueryRow(args...)}
}

func (s *sqliteSession) rows(query string, args []any) (rows, error) {
	stmt, err := s.prepare(query)
	if err != nil {
		return nil, err
	}
	return sqliteRows(stmt.Query(args...))
}

func (s *sqliteSession) prepare(query string) (*sql.Stmt, error) {
	if stmt, ok := s.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(context.Background(), numbered(query))
	if err != nil {
		return nil, explain(fmt.Errorf("prepare %q: %w", query, err))
	}
	s.stmts[query] = stmt
	return stmt, nil
}

func (s *sqliteSession) close() {
	for _, stmt := range s.stmts {
		stmt.Close()
	}
	s.conn.Close()
}
