package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
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

func isLocal(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if f, ok := err.(*failure); ok && f.local {
			return true
		}
	}
	return false
}

// details collects what the failures in the chain of err know; the outermost
// hint and the innermost reference win.
func details(err error) (reference, hint string) {
	for ; err != nil; err = errors.Unwrap(err) {
		if f, ok := err.(*failure); ok {
			if f.reference != "" {
				reference = f.reference
			}
			if hint == "" {
				hint = f.hint
			}
		}
	}
	return reference, hint
}

// atEnd says from which end of a copy an error came.
func atEnd(t *target, side orlop.Side, err error) error {
	if err == nil {
		return nil
	}
	return &failure{err: t.about(err), end: copyEnd{side, t.kind, t.typed}}
}

// endOf returns the end of a copy that err came from, the zero value if it came
// from none.
func endOf(err error) copyEnd {
	for ; err != nil; err = errors.Unwrap(err) {
		if f, ok := err.(*failure); ok && f.end.side != "" {
			return f.end
		}
	}
	return copyEnd{}
}

// errorReport is an error as JSON.
type errorReport struct {
	Code      string     `json:"code"`
	Message   string     `json:"message"`
	Side      orlop.Side `json:"side,omitempty"` // of a copy: source or destination
	Reference string     `json:"reference,omitempty"`
	Hint      string     `json:"hint,omitempty"`
}

// reportJSON writes an error as {"error":{…}}.
func reportJSON(w io.Writer, program string, err error) {
	r := errorReport{Code: errorCode(err), Message: err.Error(), Side: endOf(err).side}
	r.Reference, r.Hint = details(err)
	if r.Hint == "" {
		r.Hint = usualHint(program, r.Reference, err)
	}
	output.WriteJSON(w, map[string]errorReport{"error": r})
}

// errorCode names the kind of an error: the code of the registry, or one of
// our own for what no registry has said.
func errorCode(err error) string {
	if e, ok := errors.AsType[*orlop.Error](err); ok {
		return e.Code
	}
	switch exitCode(err) {
	case exitInterrupted:
		return "INTERRUPTED"
	case exitUsage:
		return "USAGE"
	}
	return "FAILED"
}

// report writes an error for people: what failed and why, the usage line after
// wrong use, and the next step.
func report(w io.Writer, program string, err error) {
	out := output.NewPrinter(w)
	reference, hint := details(err)
	origin, text := errorText(err, reference)
	if end := endOf(err); end.side != "" {
		origin = fmt.Sprintf("Error from %s %s for %q", end.side, end.kind, end.typed)
	}
	out.Line("%s: %s", origin, text)
	if u, ok := errors.AsType[*usageError](err); ok && u.usage != "" {
		out.Line("Usage: %s", u.usage)
	}
	if hint == "" {
		hint = usualHint(program, reference, err)
	}
	if hint != "" {
		out.Line("Hint: %s", hint)
	}
}

// errorText is what an error says, after the words of where it comes from.
func errorText(err error, reference string) (origin, text string) {
	switch e, ok := errors.AsType[*orlop.Error](err); {
	case ok && !isLocal(err):
		return "Error response from registry", registryText(e, reference)
	case ok && isUnknown(e) && reference != "":
		return "Error", reference + ": not found"
	}
	return "Error", oneLine(err.Error())
}

// registryText is the text of an error that a registry sent. Of content that
// is not there it says what was looked for.
func registryText(e *orlop.Error, reference string) string {
	code := strings.ToLower(strings.ReplaceAll(e.Code, "_", " "))
	if isUnknown(e) && reference != "" {
		return fmt.Sprintf("%s: %s: not found", code, reference)
	}
	message := e.Error()
	if e.Code == orlop.CodeDenied && strings.HasPrefix(message, orlop.ErrUnauthorized.Message) {
		// Registries answer a token without the right as if there were none.
		message = orlop.ErrDenied.Message
	}
	text := code + ": " + strings.TrimPrefix(oneLine(message), code+": ") // many messages begin by the code
	if d := detailText(e.Detail); d != "" {
		text += ": " + d
	}
	return text
}

// isUnknown reports whether the specification has a code for what is missing.
func isUnknown(e *orlop.Error) bool {
	switch e.Code {
	case orlop.CodeNameUnknown, orlop.CodeManifestUnknown, orlop.CodeTagUnknown, orlop.CodeBlobUnknown:
		return true
	}
	return false
}

// maxDetail is how much of an error's detail is shown to people.
const maxDetail = 500

func detailText(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	switch string(raw) {
	case "", "null", "{}", "[]", `""`:
		return ""
	}
	text := string(raw)
	var s string
	if json.Unmarshal(raw, &s) == nil {
		text = s
	} else if missing := missingAccess(raw); missing != "" {
		text = missing
	}
	if len(text) > maxDetail {
		text = text[:maxDetail] + "…"
	}
	return oneLine(text)
}

// missingAccess reads the detail by which registries say what right is missing:
// "push on repository samples/artifact".
func missingAccess(raw json.RawMessage) string {
	var list []struct{ Type, Name, Action string }
	if json.Unmarshal(raw, &list) != nil {
		return ""
	}
	var texts []string
	for _, a := range list {
		if a.Type == "" || a.Name == "" || a.Action == "" {
			return ""
		}
		texts = append(texts, fmt.Sprintf("%s on %s %s", a.Action, a.Type, a.Name))
	}
	return strings.Join(texts, ", ")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// usualHint is the next step where the command knew none that is better.
func usualHint(program, reference string, err error) string {
	host, _, _ := strings.Cut(reference, "/")
	if host == "" {
		host = "REGISTRY"
	}
	switch {
	case isUsage(err):
		return ""
	case isLocal(err) && isNotFound(err):
		return fmt.Sprintf("list the tags: %s repo tags --oci-layout %s", program, repositoryOf(reference))
	case errors.Is(err, orlop.ErrDenied):
		return fmt.Sprintf("you are signed in to %s, but this account lacks the right; sign in with another, or have a role assigned that allows it", host)
	case errors.Is(err, orlop.ErrUnauthorized):
		return fmt.Sprintf("sign in first: %s login %s", program, host)
	case errors.Is(err, orlop.ErrNameUnknown):
		return fmt.Sprintf("list the repositories: %s repo ls %s", program, host)
	case errors.Is(err, orlop.ErrManifestUnknown), errors.Is(err, orlop.ErrTagUnknown):
		return fmt.Sprintf("list the tags: %s repo tags %s", program, repositoryOf(reference))
	case isNotFound(err) && errorCode(err) == orlop.CodeUnknown:
		return fmt.Sprintf("%s does not seem to offer this; is it a registry of this kind?", host)
	case errors.Is(err, orlop.ErrTooManyRequests):
		return "wait a moment and try again"
	}
	return transportHint(program, host, err)
}

// repositoryOf cuts tag and digest off a reference.
func repositoryOf(reference string) string {
	if reference == "" {
		return "REGISTRY/REPOSITORY"
	}
	name, _, _ := strings.Cut(reference, "@")
	slash := strings.LastIndex(name, "/")
	if colon := strings.LastIndex(name, ":"); colon > slash {
		name = name[:colon]
	}
	return name
}
