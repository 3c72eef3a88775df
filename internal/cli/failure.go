package cli

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/orlop/orlop"
)

// errInterrupted reports that a signal ended the command.
var errInterrupted = errors.New("interrupted")

// usageError is wrong use of the command line. It is printed with the usage
// line of the command.
type usageError struct {
	err   error
	usage string // the command's usage line; "" where it would not help
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// failure is an error with what the user may want to know beyond its text.
type failure struct {
	err       error
	reference string // what the command worked on
	base      string // the reference without tag and digest; "" if that is not known
	hint      string // the next step
	local     bool   // it is about this machine, whatever its code says
	end       copyEnd
}

// copyEnd is the end of a copy that an error came from: its side and what was
// typed. The zero value is none.
type copyEnd struct {
	side        orlop.Side
	kind, typed string
}

func (e *failure) Error() string { return e.err.Error() }
func (e *failure) Unwrap() error { return e.err }

// withHint adds a next step to an error.
func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &failure{err: err, hint: fmt.Sprintf(format, args...)}
}

// about says which reference an error is about.
func about(reference string, err error) error {
	if err == nil {
		return nil
	}
	return &failure{err: err, reference: reference}
}

// local marks an error as one of this machine: it may have a code of the
// specification, yet no registry sent it.
func local(err error) error {
	if err == nil {
		return nil
	}
	return &failure{err: err, local: true}
}

// atEnd says from which end of a copy an error came.
func atEnd(t *target, side orlop.Side, err error) error {
	if err == nil {
		return nil
	}
	return &failure{err: t.about(err), end: copyEnd{side, t.kind, t.typed}}
}

// told merges what the failures in the tree of err know: the outermost hint and
// end, and the innermost reference. Of errors that are joined the first counts
// that knows something.
func told(err error) failure {
	var k failure
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		k = told(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			k = k.or(told(one))
		}
	}
	if f, ok := err.(*failure); ok {
		k.hint, k.end = cmp.Or(f.hint, k.hint), cmp.Or(f.end, k.end)
		k = k.or(*f)
	}
	return k
}

// or fills in what f lacks.
func (f failure) or(other failure) failure {
	if f.reference == "" {
		f.reference, f.base = other.reference, other.base
	}
	f.hint, f.end = cmp.Or(f.hint, other.hint), cmp.Or(f.end, other.end)
	f.local = f.local || other.local
	return f
}
