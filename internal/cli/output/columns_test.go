package output

import (
	"bytes"
	"testing"
)

func TestColumns(t *testing.T) {
	var b bytes.Buffer
	p := NewPrinter(&b)
	p.Columns([][]string{
		{"SIZE", "TYPE", "NAME"},
		{"6 B", "text/plain", "a.txt"},
		{"11 MB", "", "a name that is long, and ends"},
		{"1 B", "x\x1b[2J", "世界"},
		{"alone, and longer than the column of others"},
	})
	want := `SIZE   TYPE        NAME
6 B    text/plain  a.txt
11 MB              a name that is long, and ends
1 B    x\x1b[2J    世界
alone, and longer than the column of others
`
	if b.String() != want || p.Err() != nil {
		t.Errorf("got\n%swant\n%s%v", b.String(), want, p.Err())
	}
}
