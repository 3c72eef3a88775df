package output

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// WriteYAML writes JSON data as YAML in blocks, keys in the order of the
// alphabet.
func WriteYAML(w io.Writer, v any) error {
	var b strings.Builder
	switch v := v.(type) {
	case map[string]any, []any:
		yamlBlock(&b, v, "")
	default:
		b.WriteString(yamlScalar(v) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// yamlBlock writes an object or a list; the first line has its indent already.
func yamlBlock(b *strings.Builder, v any, indent string) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			b.WriteString("{}\n")
		}
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteString(indent)
			}
			b.WriteString(yamlText(k) + ":")
			yamlValue(b, v[k], indent)
		}
	case []any:
		if len(v) == 0 {
			b.WriteString("[]\n")
		}
		for i, item := range v {
			if i > 0 {
				b.WriteString(indent)
			}
			b.WriteString("- ")
			yamlItem(b, item, indent+"  ")
		}
	}
}

func yamlItem(b *strings.Builder, v any, indent string) {
	if isScalar(v) {
		b.WriteString(yamlScalar(v) + "\n")
		return
	}
	yamlBlock(b, v, indent)
}

// yamlValue writes what follows a key: on its line, or below it. A list is not
// indented below its key.
func yamlValue(b *strings.Builder, v any, indent string) {
	switch t := v.(type) {
	case map[string]any:
		if len(t) > 0 {
			indent += "  "
			b.WriteString("\n" + indent)
			yamlBlock(b, v, indent)
			return
		}
	case []any:
		if len(t) > 0 {
			b.WriteString("\n" + indent)
			yamlBlock(b, v, indent)
			return
		}
	}
	b.WriteString(" ")
	yamlItem(b, v, indent)
}

func yamlScalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return yamlText(v)
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	}
	return scalar(v)
}
