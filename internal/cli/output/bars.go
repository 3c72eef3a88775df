package output

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// redrawEvery is the time between two drawings of the bars.
const redrawEvery = 200 * time.Millisecond

// bars draws one row per running task at the bottom of a terminal. Rows that
// ended scroll away above them, once, and are never touched again.
type bars struct {
	w    io.Writer
	size func() (w, h int)
	stop chan struct{}
	idle chan struct{} // closed when the drawing has ended

	mu    sync.Mutex // guards what follows, and the state of tasks
	tasks []*Task    // not yet scrolled away, in order of start
	notes []string   // lines to scroll away before the next rows
	drawn int        // rows on the screen that the next drawing replaces
	frame int
}

func newBars(w io.Writer, size func() (w, h int)) *bars {
	if size == nil {
		size = func() (int, int) { return 80, 24 }
	}
	b := &bars{w: w, size: size, stop: make(chan struct{}), idle: make(chan struct{})}
	go b.run()
	return b
}

func (b *bars) run() {
	defer close(b.idle)
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.draw(false)
		case <-b.stop:
			b.draw(true)
			return
		}
	}
}

func (b *bars) close() {
	close(b.stop)
	<-b.idle
}

func (b *bars) add(t *Task) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tasks = append(b.tasks, t)
}

func (b *bars) drop(t *Task) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tasks = slices.DeleteFunc(b.tasks, func(other *Task) bool { return other == t })
}

func (b *bars) note(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = append(b.notes, line)
}

func (b *bars) end(t *Task, verb string, s taskState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.state == running {
		t.verb, t.state, t.took = verb, s, time.Since(t.start)
	}
}

// draw writes one frame in a single write, so that the terminal does not show
// it half. The last frame leaves no unfinished row behind.
func (b *bars) draw(last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	width, height := b.size()
	width-- // a row that fills the last cell makes some terminals wrap
	var frame bytes.Buffer
	if b.drawn > 0 {
		fmt.Fprintf(&frame, "\x1b[%dA\r\x1b[J", b.drawn)
	}
	b.scroll(&frame, width, last)
	b.drawn = 0
	if !last {
		b.rows(&frame, width, max(height-1, 2))
	}
	b.frame++
	if frame.Len() > 0 {
		b.w.Write(frame.Bytes()) // a terminal that is gone loses bars, nothing else
	}
}

// scroll writes the notes and the rows that ended, and forgets them.
func (b *bars) scroll(frame *bytes.Buffer, width int, all bool) {
	for _, n := range b.notes {
		fmt.Fprintln(frame, clip(Escape(n), width))
	}
	b.notes = nil
	var left []*Task
	for _, t := range b.tasks {
		if t.state == running && !all {
			left = append(left, t)
			continue
		}
		if t.state == running { // the command ends without it
			t.state, t.took = failed, time.Since(t.start)
		}
		fmt.Fprintln(frame, b.row(t, width))
	}
	b.tasks = left
}

// rows draws the running tasks, as many as there is room for.
func (b *bars) rows(frame *bytes.Buffer, width, room int) {
	show := b.tasks
	if len(show) > room {
		show = show[:room-1]
	}
	for _, t := range show {
		fmt.Fprintln(frame, b.row(t, width))
	}
	b.drawn = len(show)
	if more := len(b.tasks) - len(show); more > 0 {
		fmt.Fprintln(frame, clip(fmt.Sprintf("  … and %d more", more), width))
		b.drawn++
	}
}

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// row is the row of one task: name on the left, figures on the right.
func (b *bars) row(t *Task, width int) string {
	mark := spinner[b.frame%len(spinner)]
	took := time.Since(t.start)
	switch t.state {
	case succeeded:
		mark, took = '✓', t.took
	case failed:
		mark, took = '✗', t.took
	}
	done, total := t.done.Load(), t.desc.Size
	left := fmt.Sprintf("%c %s %s", mark, t.p.pad(t.verb), Escape(Name(t.desc)))
	right := fmt.Sprintf(" %s/%s %6.2f%%", Size(done), Size(total), percent(done, total))
	if total < 0 {
		right = " " + Size(done)
	}
	if t.state == running {
		right += fmt.Sprintf(" %9s/s", Size(rate(done, took)))
	}
	right += fmt.Sprintf(" %7s", shortDuration(took))
	space := width - cells(right)
	if space < 20 {
		return clip(left, width)
	}
	left = clip(left, space)
	gap := space - cells(left)
	if t.state == running && total >= 0 && gap >= meterLeast {
		return left + " " + meter(min(gap-1, meterWidth), done, total) + blanks(gap-1-meterWidth) + right
	}
	return left + blanks(gap) + right
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
