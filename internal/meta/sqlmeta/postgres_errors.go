package sqlmeta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// explainPostgres turns the driver's errors into this package's.
func explainPostgres(err error) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrFull), errors.Is(err, errDamaged):
		return err // it was explained before
	case !ok && disconnected(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case !ok:
		return err
	}
	switch e.Code {
	case "53100": // disk full
		return fmt.Errorf("%w: %w", ErrFull, err)
	case "22021", "54000": // not a text of the encoding, too long for an index
		return fmt.Errorf("%w: %w", ErrText, err)
	case "XX001", "XX002": // damaged table, damaged index
		return fmt.Errorf("%w: %w", errDamaged, err)
	case "40001", "40P01", // run again too often
		"55P03", "57014", // a lock or an answer took too long
		"25006",          // the server is a standby
		"53200", "53300": // out of memory, of connections
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if gone(e.Code) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// gone tells whether a server that says so ends the connection: it is shutting
// down or starting up, or it will not go on with this session.
func gone(code string) bool {
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") || code == "25P03"
}

// disconnected tells whether the connection is lost, or no answer has come in
// time.
func disconnected(err error) bool {
	if err == nil {
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return gone(e.Code)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// inUse tells whether a row that was not to be waited for is locked.
func inUse(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "55P03"
}
