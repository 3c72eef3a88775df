package cli

import (
	"context"
	"errors"
	"net/http"

	"github.com/orlop/orlop"
)

// The exit codes of orlop, for scripts to act on. They are a promise: a code is
// never given another meaning.
const (
	exitOK           = 0
	exitFailed       = 1   // anything without a code of its own
	exitUsage        = 2   // wrong use: unknown flag, missing argument, malformed reference
	exitUnauthorized = 4   // not signed in, or a wrong user name or password
	exitDenied       = 5   // signed in, but not allowed
	exitNotFound     = 6   // no such registry content
	exitCondition    = 7   // the tag is not where --if-match or --if-none-match want it
	exitInterrupted  = 130 // ended by SIGINT or SIGTERM
)

// exitCode is the one place where errors become exit codes; exitCodeOf turns them
// into those of az for the commands that az has.
func exitCode(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case isUsage(err):
		return exitUsage
	case errors.Is(err, orlop.ErrDenied):
		return exitDenied
	case errors.Is(err, orlop.ErrUnauthorized):
		return exitUnauthorized
	case isNotFound(err):
		return exitNotFound
	case errors.Is(err, orlop.ErrPreconditionFailed):
		return exitCondition
	}
	return exitFailed
}

// isNotFound reports whether what the user named is not there. Codes that
// specifications do not name count by their HTTP status.
func isNotFound(err error) bool {
	e, ok := errors.AsType[*orlop.Error](err)
	return ok && e.HTTPStatus() == http.StatusNotFound
}

func isUsage(err error) bool {
	_, ok := errors.AsType[*usageError](err)
	return ok
}
