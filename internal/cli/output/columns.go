package output

import "strings"

// Columns writes rows as lines with their cells one below the other. The last
// cell of a row is not padded, so that a long one does no harm to the others.
// Rows may be of different lengths.
func (p *Printer) Columns(rows [][]string) {
	var widths []int
	escaped := make([][]string, len(rows))
	for i, row := range rows {
		for n, cell := range row {
			cell = Escape(cell)
			escaped[i] = append(escaped[i], cell)
			if n == len(widths) {
				widths = append(widths, 0)
			}
			if n < len(row)-1 {
				widths[n] = max(widths[n], cells(cell))
			}
		}
	}
	for _, row := range escaped {
		p.escaped(strings.TrimRight(align(row, widths), " "))
	}
}

func align(row []string, widths []int) string {
	var b strings.Builder
	for n, cell := range row {
		b.WriteString(cell)
		if n < len(row)-1 {
			b.WriteString(blanks(widths[n] - cells(cell) + 2))
		}
	}
	return b.String()
}
