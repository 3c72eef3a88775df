package output

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Printer writes lines of text. It may be used concurrently; a line is never
// broken by another.
type Printer struct {
	mu  sync.Mutex // guards w and err
	w   io.Writer
	err error
}

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
	if p.err == nil {
		_, p.err = io.WriteString(p.w, line+"\n")
	}
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
	return p.err
}
