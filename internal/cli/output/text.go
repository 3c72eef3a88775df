package output

import (
	"math"
	"strconv"
	"strings"
)

// Size prints a number of bytes for people in three or four digits, in units of
// 1024 with the names that ORAS gives them: "21 B", "1.5 KB", "11 MB".
func Size(n int64) string {
	units := []string{"B", "KB", "MB", "GB", "TB", "PB", "EB"}
	f, u := float64(n), 0
	for f >= 1024 && u < len(units)-1 {
		f /= 1024
		u++
	}
	scale := 1.0
	switch {
	case f < 10:
		scale = 100
	case f < 100:
		scale = 10
	}
	return strconv.FormatFloat(math.Round(f*scale)/scale, 'f', -1, 64) + " " + units[u]
}

// cells returns the width of s on a terminal: one cell a character, two for
// the wide ones of East Asia and for emoji.
func cells(s string) int {
	n := 0
	for _, r := range s {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	switch {
	case r < 0x1100:
		return 1
	case r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60,
		r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// clip cuts s to width cells, so that a row never wraps: a wrapped row could
// not be drawn again.
func clip(s string, width int) string {
	if cells(s) <= width {
		return s
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n+runeCells(r) > width-1 {
			break
		}
		n += runeCells(r)
		b.WriteRune(r)
	}
	return b.String() + "…"
}

func blanks(n int) string { return strings.Repeat(" ", max(n, 0)) }
