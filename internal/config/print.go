package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Print writes the configuration as YAML that Load reads again, with the
// origin of each value as a comment. Secrets, and settings without a value,
// are written as comments only.
func (e *Effective) Print(w io.Writer) error {
	var buf bytes.Buffer
	for _, s := range Settings() {
		values := s.get(&e.Config)
		switch {
		case len(values) == 0:
			fmt.Fprintf(&buf, "# %s: not set\n", s.Name)
		case s.EnvOnly:
			fmt.Fprintf(&buf, "# %s: %s, from %s\n", s.Name, hidden, e.origin(s.Name))
		case s.List:
			fmt.Fprintf(&buf, "%s: [%s] # %s\n", s.Name, quoteAll(values), e.origin(s.Name))
		default:
			fmt.Fprintf(&buf, "%s: %s # %s\n", s.Name, quote(values[0]), e.origin(s.Name))
		}
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// LogValue returns the settings that were given, without secrets, so that a log
// tells how the server was started.
func (e *Effective) LogValue() slog.Value {
	var given []slog.Attr
	for _, s := range Settings() {
		if _, ok := e.origins[s.Name]; ok {
			given = append(given, slog.String(s.Name, strings.Join(s.get(&e.Config), ","))) // a secret's get hides it
		}
	}
	return slog.GroupValue(given...)
}

func (e *Effective) origin(name string) string {
	if o, ok := e.origins[name]; ok {
		return o
	}
	return "default"
}

func quoteAll(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	return strings.Join(quoted, ", ")
}

// quote writes a text as a YAML scalar on one line, plain where the text
// cannot be taken for anything else.
func quote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-./_") == "" && s != "" && s[0] != '-' {
		return s
	}
	raw, err := json.Marshal(s) // a JSON string is a YAML scalar too
	if err != nil {
		return `""` // cannot happen: every string has a JSON form
	}
	return string(raw)
}
