package sqlmeta

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// batch implements batcher: all statements, with the beginning and the end of
// the transaction, are sent before the first answer is read.
func (e *pgEngine) batch(ctx context.Context, statements []statement) (done bool, err error) {
	if e.closed.Load() {
		return false, ErrClosed
	}
	waiting, cancel := context.WithTimeout(ctx, connectLimit)
	conn, err := e.pool.Acquire(waiting)
	cancel()
	if err != nil {
		return false, explain(err)
	}
	defer conn.Release()
	if err := e.db.fault("commit"); err != nil {
		return false, err
	}
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), answerLimit)
	defer cancel()
	var b pgx.Batch
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	for _, s := range statements {
		b.Queue(s.query, s.args...)
	}
	b.Queue("COMMIT")
	err = conn.SendBatch(ctx, &b).Close() // the first error of all statements
	switch {
	case err == nil:
		return true, e.db.fault("committed")
	case refused(ctx, conn, err):
		return false, nil
	default: // the commit may have come before the connection broke
		return false, explain(err)
	}
}

// refused tells whether the database has refused a statement, so that nothing of
// its transaction stays, and ends that. It is true also if nothing was sent.
func refused(ctx context.Context, conn *pgxpool.Conn, err error) bool {
	if pgconn.SafeToRetry(err) {
		return true
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || gone(e.Code) {
		return false
	}
	_, _ = conn.Exec(ctx, "ROLLBACK") // if it fails, the connection is closed
	return true
}
