package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
)

// The formats of --format.
const (
	Text       = "text"
	Table      = "table"
	Tree       = "tree"
	JSON       = "json"
	GoTemplate = "go-template"
)

// Format is a parsed --format with its template.
type Format struct {
	Type string             // JSON, GoTemplate, or one for people
	tmpl *template.Template // for GoTemplate
}

// ParseFormat reads the values of --format and --template. The format
// go-template may carry its template itself: go-template={{.digest}}. Beside
// the formats of data the command has those for people, the default first; none
// means Text.
func ParseFormat(format, tmpl string, forPeople ...string) (Format, error) {
	if len(forPeople) == 0 {
		forPeople = []string{Text}
	}
	kind, inline, hasInline := strings.Cut(format, "=")
	if hasInline {
		if tmpl != "" {
			return Format{}, fmt.Errorf("--format go-template=… and --template cannot both give a template")
		}
		tmpl = inline
	}
	switch {
	case kind == "":
		kind = forPeople[0]
	case kind == JSON, slices.Contains(forPeople, kind):
	case kind == GoTemplate:
		return parseTemplate(tmpl)
	default:
		return Format{}, fmt.Errorf("invalid format %q: supported are %s, json and go-template", format, strings.Join(forPeople, ", "))
	}
	if tmpl != "" || hasInline {
		return Format{}, fmt.Errorf("--template needs --format go-template")
	}
	return Format{Type: kind}, nil
}

func parseTemplate(text string) (Format, error) {
	if text == "" {
		return Format{}, fmt.Errorf("--format go-template needs a template: --template TEXT or --format go-template=TEXT")
	}
	t, err := template.New("format").Funcs(functions()).Parse(text)
	if err != nil {
		return Format{}, fmt.Errorf("invalid template: %w", err)
	}
	return Format{Type: GoTemplate, tmpl: t}, nil
}

// IsText reports whether results are lines of text, for people.
func (f Format) IsText() bool { return f.Type != JSON && f.Type != GoTemplate }

// Write writes v as JSON or through the template. It must not be called for
// text.
func (f Format) Write(w io.Writer, v any) error {
	if f.Type == GoTemplate {
		data, err := shape(v)
		if err != nil {
			return err
		}
		return f.tmpl.Execute(w, data)
	}
	return WriteJSON(w, v)
}

// WriteJSON writes v as JSON, two spaces of indent, with a final newline, and
// without the escapes that only HTML needs.
func WriteJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// shape turns v into the maps, slices and scalars that its JSON has, so that
// templates use the names that --format json shows. Whole numbers become
// int64, so that they print and compare as such.
func shape(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var data any
	if err := dec.Decode(&data); err != nil {
		return nil, err
	}
	return numbers(data), nil
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	}
	return v
}
