package output

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// redrawEvery is the time between two drawings of the bars.
const redrawEvery = 200 * time.Millisecond

// bars draws one row per running task at the bottom of a terminal. What ended
// scrolls away above them, once, and is never touched again.
type bars struct {
	w    io.Writer
	size func() (w, h int)
	stop chan struct{}
	idle chan struct{} // closed when the drawing has ended

	mu    sync.Mutex // guards what follows, and the state of tasks
	tasks []*Task    // running, in order of start
	past  []past     // to scroll away before the next rows
	drawn int        // rows on the screen that the next drawing replaces
	frame int
	moved moved
}

// past is a line that scrolls away: of a task that ended, or a note.
type past struct {
	task *Task // nil for a note
	note string
}

// moved sums up the tasks that ended well.
type moved struct {
	start time.Time // of the first
	tasks int
	bytes int64
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
	if b.moved.start.IsZero() {
		b.moved.start = t.start
	}
	b.tasks = append(b.tasks, t)
}

func (b *bars) drop(t *Task) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remove(t)
}

// remove takes a task from those that run; b.mu is held.
func (b *bars) remove(t *Task) {
	b.tasks = slices.DeleteFunc(b.tasks, func(other *Task) bool { return other == t })
}

func (b *bars) note(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.past = append(b.past, past{note: line})
}

func (b *bars) end(t *Task, verb string, s taskState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.state != running {
		return
	}
	t.verb, t.state, t.took = verb, s, time.Since(t.start)
	b.remove(t)
	b.past = append(b.past, past{task: t})
	if s == succeeded {
		b.moved.tasks++
		b.moved.bytes += t.desc.Size
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
	b.drawn = 0
	if last {
		b.giveUp()
	}
	b.scroll(&frame, width)
	if last && b.moved.tasks > 1 {
		fmt.Fprintln(&frame, clip(b.moved.String(), width))
	}
	b.rows(&frame, width, max(height-1, 2))
	b.frame++
	if frame.Len() > 0 {
		b.w.Write(frame.Bytes()) // a terminal that is gone loses bars, nothing else
	}
}

// giveUp marks what still runs as failed: the command ends without it.
func (b *bars) giveUp() {
	for _, t := range b.tasks {
		t.state, t.took = failed, time.Since(t.start)
		b.past = append(b.past, past{task: t})
	}
	b.tasks = nil
}

// scroll writes what has ended, and forgets it.
func (b *bars) scroll(frame *bytes.Buffer, width int) {
	for _, p := range b.past {
		if p.task != nil {
			fmt.Fprintln(frame, b.row(p.task, width))
		} else {
			fmt.Fprintln(frame, clip(Escape(p.note), width))
		}
	}
	b.past = nil
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

// String is "2000 transfers, 19.5 MB in 4.1s, 4.76 MB/s".
func (m moved) String() string {
	took := time.Since(m.start)
	return fmt.Sprintf("%d transfers, %s in %s, %s/s", m.tasks, Size(m.bytes), shortDuration(took), Size(rate(m.bytes, took)))
}
