package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

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
	known := told(err)
	output.WriteJSON(w, map[string]errorReport{"error": {
		Code: errorCode(err), Message: err.Error(), Side: known.end.side, Reference: known.reference,
		Hint: cmp.Or(known.hint, usualHint(program, known, err)),
	}})
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
	known := told(err)
	origin, text := errorText(err)
	if end := known.end; end.side != "" {
		origin = fmt.Sprintf("Error from %s %s for %q", end.side, end.kind, end.typed)
	}
	out.Line("%s: %s", origin, text)
	if u, ok := errors.AsType[*usageError](err); ok && u.usage != "" {
		out.Line("Usage: %s", u.usage)
	}
	if hint := cmp.Or(known.hint, usualHint(program, known, err)); hint != "" {
		out.Line("Hint: %s", hint)
	}
}

// errorText is what an error says, after the words of where it comes from.
func errorText(err error) (origin, text string) {
	known := told(err)
	switch e, ok := errors.AsType[*orlop.Error](err); {
	case ok && !known.local:
		return "Error response from registry", registryText(e, known.reference)
	case ok && isUnknown(e) && known.reference != "":
		return "Error", known.reference + ": not found"
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
func usualHint(program string, about failure, err error) string {
	host, _, _ := strings.Cut(about.reference, "/")
	host = cmp.Or(host, "REGISTRY")
	switch {
	case isUsage(err):
		return ""
	case isFull(err):
		return "make room on the disk, and give the same command again"
	case about.local:
		return localHint(program, about, err)
	case errors.Is(err, orlop.ErrDenied):
		return fmt.Sprintf("you are signed in to %s, but this account lacks the right; sign in with another, or have a role assigned that allows it", host)
	case errors.Is(err, orlop.ErrUnauthorized):
		return fmt.Sprintf("sign in first: %s login %s", program, host)
	case errors.Is(err, orlop.ErrNameUnknown):
		return fmt.Sprintf("list the repositories: %s repo ls %s", program, host)
	case errors.Is(err, orlop.ErrManifestUnknown), errors.Is(err, orlop.ErrTagUnknown):
		return fmt.Sprintf("list the tags: %s repo tags %s", program, cmp.Or(about.base, repositoryOf(about.reference)))
	case isNotFound(err) && errorCode(err) == orlop.CodeUnknown:
		return fmt.Sprintf("%s does not seem to offer this; is it a registry of this kind?", host)
	case errors.Is(err, orlop.ErrDisallowed):
		return fmt.Sprintf("it may be locked: look at changeableAttributes by %[1]s acr repository show, and unlock by %[1]s acr repository update", program)
	case errors.Is(err, orlop.ErrTooManyRequests):
		return "wait a moment and try again"
	}
	return transportHint(program, host, err)
}

// localHint is usualHint of what no registry has said.
func localHint(program string, about failure, err error) string {
	switch {
	case about.base == "":
		return ""
	case isNotFound(err):
		return fmt.Sprintf("list the tags: %s repo tags --oci-layout %s", program, about.base)
	case errors.Is(err, orlop.ErrUnsupported) && isTarName(about.base):
		return fmt.Sprintf("copy what you need into a directory first: %s cp --from-oci-layout %s:TAG --to-oci-layout DIR:TAG",
			program, about.base)
	}
	return ""
}

// isFull tells whether there is no space left on this machine.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || told(err).local && errors.Is(err, orlop.ErrStorageFull)
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
