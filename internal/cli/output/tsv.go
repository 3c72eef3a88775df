package output

import (
	"io"
	"strconv"
	"strings"
)

// WriteTSV writes JSON data as values with tabs between them, a line for each
// item of a list, for scripts: as az does, but that control characters are
// escaped.
func WriteTSV(w io.Writer, v any, order KeyOrder) error {
	var b strings.Builder
	for _, row := range list(v) {
		fields := tsvFields(row, order)
		for i, f := range fields {
			fields[i] = Escape(f)
		}
		b.WriteString(strings.Join(fields, "\t"))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func tsvFields(row any, order KeyOrder) []string {
	var fields []string
	switch row := row.(type) {
	case map[string]any:
		for _, k := range order.Keys(row) {
			fields = append(fields, scalar(row[k]))
		}
	case []any:
		for _, v := range row {
			fields = append(fields, scalar(v))
		}
	case bool:
		fields = []string{strconv.FormatBool(row)} // alone it is not as Python writes it
	default:
		fields = []string{scalar(row)}
	}
	return fields
}
