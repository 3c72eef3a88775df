package output

import (
	"fmt"
	"strings"
	"time"
)

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// nameLeast is how many cells a name keeps before figures are left out.
const nameLeast = 24

// row is the row of one task: name on the left, figures on the right.
func (b *bars) row(t *Task, width int) string {
	mark, took := spinner[b.frame%len(spinner)], t.took
	switch t.state {
	case running:
		took = time.Since(t.start)
	case succeeded:
		mark = '✓'
	case failed:
		mark = '✗'
	}
	left := fmt.Sprintf("%c %s %s", mark, t.p.pad(t.verb), Escape(Name(t.desc)))
	right := figures(t, took, width-min(cells(left), nameLeast))
	space := width - cells(right)
	left = clip(left, space)
	gap := space - cells(left)
	if t.state == running && t.desc.Size >= 0 && gap >= meterLeast {
		return left + " " + meter(min(gap-1, meterWidth), t.done.Load(), t.desc.Size) + blanks(gap-1-meterWidth) + right
	}
	return left + blanks(gap) + right
}

// figures are the figures of a task in at most width cells. On a narrow terminal
// the least important are left out.
func figures(t *Task, took time.Duration, width int) string {
	done, total := t.done.Load(), t.desc.Size
	size, share := fmt.Sprintf(" %s/%s", Size(done), Size(total)), fmt.Sprintf(" %6.2f%%", percent(done, total))
	if total < 0 {
		size, share = " "+Size(done), ""
	}
	speed := ""
	if t.state == running {
		speed = fmt.Sprintf(" %9s/s", Size(rate(done, took)))
	}
	duration := fmt.Sprintf(" %7s", shortDuration(took))
	for _, s := range []string{size + share + speed + duration, size + share + speed, size + share, share} {
		if cells(s) <= width {
			return s
		}
	}
	return ""
}

// The cells that the picture of a share takes.
const (
	meterLeast = 8
	meterWidth = 24
)

// meter draws a share in so many cells: [=====     ].
func meter(width int, done, total int64) string {
	inner := width - 2
	full := min(int(percent(done, total)*float64(inner)/100), inner)
	return "[" + strings.Repeat("=", full) + blanks(inner-full) + "]"
}

func percent(done, total int64) float64 {
	if total <= 0 {
		return 100
	}
	return 100 * float64(done) / float64(total)
}

func rate(done int64, took time.Duration) int64 {
	if took < time.Millisecond {
		return 0
	}
	return int64(float64(done) / took.Seconds())
}

func shortDuration(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
