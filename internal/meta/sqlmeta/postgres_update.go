package sqlmeta

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A transaction that met another is run again: at once, then after pauses that
// grow and are random, so that those that met do not meet again.
const (
	maxRuns    = 12
	firstPause = 2 * time.Millisecond
	maxPause   = 500 * time.Millisecond
)

// Everything rests on READ COMMITTED, in which a statement sees what was
// committed before it began, and so what those did for whose locks the
// transaction has waited. Databases that have only stricter levels refuse the
// transaction where that would matter, and it is run again.
var pgTxOptions = pgx.TxOptions{IsoLevel: pgx.ReadCommitted}

// update is DB.Update: a transaction of its own for each.
func (e *pgEngine) update(ctx context.Context, fn func(*Tx) error) error {
	tx := &Tx{db: e.db}
	for run := 0; ; {
		if e.closed.Load() {
			return ErrClosed
		}
		again, err := e.transact(ctx, tx, fn)
		switch {
		case errors.Is(err, errAlone):
			tx.alone = true
		case errors.Is(err, errInUse):
			tx.waits = true
			if err := e.reservation(ctx, reserve, tx.claim); err != nil {
				return err
			}
		case errors.Is(err, errReserved):
			tx.gaveWay++
			pause(ctx, wayPause)
		case again && run < maxRuns:
			run++
			pause(ctx, min(firstPause<<run, maxPause))
		default:
			if err != nil && tx.waits {
				err = errors.Join(err, e.reservation(ctx, endReservation, tx.claim))
			}
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// pause waits for a random time, at most as long as most, or until ctx ends.
func pause(ctx context.Context, most time.Duration) {
	select {
	case <-time.After(rand.N(most)):
	case <-ctx.Done():
	}
}

// reservation begins or ends the reservation of a repository, which others see
// at once.
func (e *pgEngine) reservation(ctx context.Context, query string, c claim) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerLimit)
	defer cancel()
	_, err := e.pool.Exec(ctx, query, c.registry, c.name, c.since)
	return explain(err)
}

// transact runs fn once. again tells that nothing of it stays and that another
// run may come to another end.
func (e *pgEngine) transact(ctx context.Context, tx *Tx, fn func(*Tx) error) (again bool, err error) {
	waiting, cancel := context.WithTimeout(ctx, connectLimit)
	conn, err := e.pool.Acquire(waiting)
	cancel()
	if err != nil {
		return false, explain(err)
	}
	defer conn.Release()
	// Once begun it is not cancelled: the connection would be lost with it.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), answerLimit)
	defer cancel()
	s := &pgSession{ctx: ctx}
	if s.tx, err = conn.BeginTx(ctx, pgTxOptions); err != nil {
		return disconnected(err), explain(err)
	}
	tx.session, tx.unseen = s, ""
	err = call(fn, tx)
	if err == nil {
		err = e.db.fault("commit")
	}
	if err != nil {
		_ = s.tx.Rollback(ctx) // if it fails, the connection is closed
		return errors.Is(err, errAgain) || rerun(s.failed), err
	}
	if err = s.tx.Commit(ctx); err != nil {
		// A connection that broke here may have broken after the commit.
		return !disconnected(err) && rerun(err), explain(errors.Join(err, s.failed))
	}
	return false, e.db.fault("committed")
}

// call keeps a panic of one request from taking the process down.
func call(fn func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a metadata update: %v", p)
		}
	}()
	return fn(tx)
}

// rerun tells whether a statement failed because of another transaction, which
// the next run will see, or because the connection broke before the commit.
func rerun(err error) bool {
	if err == nil {
		return false
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return disconnected(err)
	}
	switch e.Code {
	case "40001", "40P01": // serialization failure, deadlock
		return true
	case "23505", "23503": // unique, foreign key: we look before we write
		return true
	}
	return disconnected(err)
}

// pgSession is a connection in a transaction.
type pgSession struct {
	ctx    context.Context
	tx     pgx.Tx
	failed error // of the first statement that failed; those after it tell nothing
}

func (s *pgSession) fail(err error) error {
	if err != nil && s.failed == nil && !errors.Is(err, pgx.ErrNoRows) {
		s.failed = err
	}
	return explain(err)
}

func (s *pgSession) exec(query string, args []any) (int64, error) {
	tag, err := s.tx.Exec(s.ctx, query, args...)
	return tag.RowsAffected(), s.fail(err)
}

func (s *pgSession) row(query string, args []any) row {
	return row{row: pgTxRow{s.tx.QueryRow(s.ctx, query, args...), s}}
}

func (s *pgSession) rows(query string, args []any) (rows, error) {
	found, err := s.tx.Query(s.ctx, query, args...)
	if err != nil {
		return nil, s.fail(err)
	}
	return pgTxRows{found, s}, nil
}

// pgTxRow notes in its session that it failed.
type pgTxRow struct {
	row     pgx.Row
	session *pgSession
}

// Scan reads the row.
func (r pgTxRow) Scan(dest ...any) error {
	err := r.row.Scan(dest...)
	_ = r.session.fail(err)
	return err
}

// pgTxRows note in their session that they failed.
type pgTxRows struct {
	pgx.Rows
	session *pgSession
}

// Close reads what is left and ends the query.
func (r pgTxRows) Close() error {
	r.Rows.Close()
	return r.session.fail(r.Rows.Err())
}
