package output

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
)

// WriteTable writes JSON data as a table, as az does: a row for each object of
// a list, a column for each of its scalar fields.
func WriteTable(w io.Writer, v any) error {
	rows := list(v)
	if len(rows) == 0 {
		return nil
	}
	columns := scalarColumns(rows)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var head, rule []string
	for _, c := range columns {
		title := capitalize(c)
		head = append(head, title)
		rule = append(rule, strings.Repeat("-", len(title)))
	}
	fmt.Fprintln(tw, strings.Join(head, "\t"))
	fmt.Fprintln(tw, strings.Join(rule, "\t"))
	for _, row := range rows {
		var fields []string
		for _, c := range columns {
			fields = append(fields, scalar(field(row, c)))
		}
		fmt.Fprintln(tw, strings.Join(fields, "\t"))
	}
	return tw.Flush()
}

// resultColumn heads the column of values that are no objects.
const resultColumn = "result"

func scalarColumns(rows []any) []string {
	var columns []string
	for _, row := range rows {
		object, ok := row.(map[string]any)
		if !ok {
			object = map[string]any{resultColumn: row}
		}
		for k, v := range object {
			if isScalar(v) && v != nil && !slices.Contains(columns, k) {
				columns = append(columns, k)
			}
		}
	}
	slices.Sort(columns)
	return columns
}

func field(row any, column string) any {
	if object, ok := row.(map[string]any); ok {
		return object[column]
	}
	return row
}

// WriteTSV writes JSON data as values with tabs between them, a line for each
// item of a list, for scripts.
func WriteTSV(w io.Writer, v any) error {
	var b strings.Builder
	for _, row := range list(v) {
		b.WriteString(strings.Join(tsvFields(row), "\t"))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func tsvFields(row any) []string {
	var fields []string
	switch row := row.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(row)) {
			fields = append(fields, scalar(row[k]))
		}
	case []any:
		for _, v := range row {
			fields = append(fields, scalar(v))
		}
	default:
		fields = []string{scalar(row)}
	}
	return fields
}

func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func isScalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// scalar is a value in a cell; of a list or an object only the size is shown.
func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return Escape(v)
	case bool:
		return capitalize(strconv.FormatBool(v)) // as az, which prints Python's
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case json.Number:
		return v.String()
	case []any:
		return strconv.Itoa(len(v))
	case map[string]any:
		return strconv.Itoa(len(v))
	}
	return Escape(fmt.Sprint(v))
}

func capitalize(s string) string {
	for i, r := range s {
		return s[:i] + string(unicode.ToUpper(r)) + s[i+len(string(r)):]
	}
	return s
}
