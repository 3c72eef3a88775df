package output

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// KeyOrder knows in which order the keys of objects stand in a table or a line,
// where that is not the order of the alphabet: objects are told apart by the
// set of their keys. The zero value knows none.
type KeyOrder map[string][]string

// Add tells an order of keys.
func (o KeyOrder) Add(keys []string) { o[keySet(keys)] = keys }

// Keys returns the keys of an object in order.
func (o KeyOrder) Keys(object map[string]any) []string {
	keys := slices.Sorted(maps.Keys(object))
	if known, ok := o[keySet(keys)]; ok {
		return known
	}
	return keys
}

func keySet(keys []string) string { return fmt.Sprintf("%q", slices.Sorted(slices.Values(keys))) }

// hidden are keys that az keeps out of tables.
var hidden = []string{"id", "type", "etag"}

// WriteTable writes JSON data as a table, as az does: a row for each item of a
// list, a column for each scalar value of an object.
func WriteTable(w io.Writer, v any, order KeyOrder) error {
	var titles []string
	var rows []map[string]string
	for _, item := range list(v) {
		keys, cells := tableRow(item, order)
		for _, k := range keys {
			if !slices.Contains(titles, k) {
				titles = append(titles, k)
			}
		}
		rows = append(rows, cells)
	}
	grid := make([][]string, len(rows))
	for i, cells := range rows {
		for _, t := range titles {
			grid[i] = append(grid[i], cells[t])
		}
	}
	return WriteGrid(w, titles, grid)
}

// tableRow returns the cells of an item, by titles that it gives in order.
func tableRow(item any, order KeyOrder) (titles []string, cells map[string]string) {
	cells = map[string]string{}
	add := func(title string, v any) {
		titles, cells[title] = append(titles, title), scalar(v)
	}
	switch item := item.(type) {
	case map[string]any:
		for _, k := range order.Keys(item) {
			if v := item[k]; v != nil && isScalar(v) && !slices.Contains(hidden, k) {
				add(capitalize(k), v)
			}
		}
	case []any:
		for i, v := range item {
			add("Column"+strconv.Itoa(i+1), v)
		}
	default:
		add("Result", item)
	}
	return titles, cells
}

// WriteGrid writes rows of cells below titles and a rule, as az does: a column
// is two wider than its title at least. Without columns it is an empty line.
func WriteGrid(w io.Writer, titles []string, rows [][]string) error {
	widths := make([]int, len(titles))
	head, rule := make([]string, len(titles)), make([]string, len(titles))
	for i, t := range titles {
		head[i] = Escape(t)
		widths[i] = cells(head[i]) + 2
		for _, row := range rows {
			row[i] = strings.TrimSpace(Escape(row[i]))
			widths[i] = max(widths[i], cells(row[i]))
		}
		rule[i] = strings.Repeat("-", widths[i])
	}
	var b strings.Builder
	for _, row := range append([][]string{head, rule}, rows...) {
		b.WriteString(strings.TrimRight(align(row, widths), " "))
		b.WriteByte('\n')
	}
	if len(titles) == 0 {
		b.Reset()
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func list(v any) []any {
	if v, ok := v.([]any); ok {
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

// scalar is a value in a cell, as az prints it; of a list only the size is
// shown, of an object nothing.
func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return v
	case bool:
		return capitalize(strconv.FormatBool(v)) // as Python writes it
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case json.Number:
		return v.String()
	case []any:
		return strconv.Itoa(len(v))
	case map[string]any:
		return ""
	}
	return fmt.Sprint(v)
}

func capitalize(s string) string {
	for i, r := range s {
		return s[:i] + string(unicode.ToUpper(r)) + s[i+len(string(r)):]
	}
	return s
}

// Cell is the value at a path of keys, "" where nothing is.
func Cell(v any, path ...string) string {
	for _, k := range path {
		object, _ := v.(map[string]any)
		v = object[k]
	}
	if v == nil {
		return ""
	}
	return scalar(v)
}
