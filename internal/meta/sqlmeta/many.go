package sqlmeta

import (
	"strconv"
	"strings"
)

// manyRows is how many rows one statement inserts at most.
const manyRows = 64

// insertMany inserts rows with few statements. head is the statement up to VALUES.
// The statements are of 64, 32, … rows, so that there are few to be prepared.
func (tx *Tx) insertMany(head string, rows [][]any) error {
	for n := manyRows; len(rows) > 0; n /= 2 {
		for ; len(rows) >= n; rows = rows[n:] {
			args := make([]any, 0, n*len(rows[0]))
			for _, row := range rows[:n] {
				args = append(args, row...)
			}
			if _, err := tx.exec(manyText(head, len(rows[0]), n), args...); err != nil {
				return err
			}
		}
	}
	return nil
}

// manyText is the statement of insertMany for n rows of a width.
func manyText(head string, width, n int) string {
	var b strings.Builder
	b.WriteString(head)
	b.WriteString(" VALUES ")
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		places(&b, i*width+1, width)
		b.WriteByte(')')
	}
	return b.String()
}

// places writes n placeholders from $first on.
func places(b *strings.Builder, first, n int) {
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(first + i))
	}
}
