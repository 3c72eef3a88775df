package output

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Printer writes lines of text. It may be used concurrently; a line is never
// broken by another.
type Printer struct {
	mu      sync.Mutex // guards what follows
	w       io.Writer
	err     error
	gather  bool         // lines wait for others
	waiting bytes.Buffer // those that do
}

// gatherFor is how long a line waits for others, and gatherMost how many bytes
// wait, where there may be many lines: each write is a system call, and wakes the
// one who reads.
const (
	gatherFor  = 50 * time.Millisecond
	gatherMost = 32 << 10
)

// NewPrinter returns a Printer that writes to w.
func NewPrinter(w io.Writer) *Printer { return &Printer{w: w} }

// Line formats one line, escapes it and writes it. The first write error is
// kept, see Err, and ends all output.
func (p *Printer) Line(format string, args ...any) {
	p.escaped(Escape(fmt.Sprintf(format, args...)))
}

// escaped writes a line that is harmless.
func (p *Printer) escaped(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gather {
		p.write([]byte(line + "\n"))
		return
	}
	if p.waiting.Len() == 0 {
		time.AfterFunc(gatherFor, p.flush)
	}
	p.waiting.WriteString(line)
	p.waiting.WriteByte('\n')
	if p.waiting.Len() >= gatherMost {
		p.writeWaiting()
	}
}

// write writes unless an earlier write has failed. p.mu is held.
func (p *Printer) write(b []byte) {
	if p.err == nil {
		_, p.err = p.w.Write(b)
	}
}

// writeWaiting writes the lines that wait. p.mu is held.
func (p *Printer) writeWaiting() {
	if p.waiting.Len() > 0 {
		p.write(p.waiting.Bytes())
		p.waiting.Reset()
	}
}

func (p *Printer) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writeWaiting()
}

// setGather lets lines wait for others from now on, or ends that.
func (p *Printer) setGather(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gather = on
	p.writeWaiting()
}

// JSON writes v as WriteJSON does, each line escaped.
func (p *Printer) JSON(v any) {
	var b strings.Builder
	err := WriteJSON(&b, v)
	for line := range strings.Lines(b.String()) {
		p.Line("%s", strings.TrimSuffix(line, "\n"))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = cmp.Or(p.err, err)
}

// Err returns the first error of writing: output that was lost, for example to
// a full disk, makes the command fail.
func (p *Printer) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writeWaiting()
	return p.err
}
