package output

import (
	"io"
	"sync/atomic"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/ref"
)

// ProgressOptions say where progress is shown. The zero value shows nothing.
type ProgressOptions struct {
	Lines     *Printer          // gets a status line per event; nil: none
	Terminal  io.Writer         // gets bars; nil: none. Bars replace status lines
	Size      func() (w, h int) // of the terminal, in cells; nil: 80 by 24
	Verbs     []string          // the verbs to be used; shorter ones are padded
	NamedOnly bool              // leave out blobs without a file name
}

// Progress shows the blobs that a command moves: bars on a terminal, one line
// per event elsewhere, in the form
//
//	Uploading 603ea6780f25 artifact.txt
//
// All methods may be called concurrently.
type Progress struct {
	lines     *Printer
	bars      *bars
	width     int
	namedOnly bool
}

// NewProgress starts showing progress. Close must be called to stop it.
func NewProgress(o ProgressOptions) *Progress {
	p := &Progress{lines: o.Lines, namedOnly: o.NamedOnly}
	for _, v := range o.Verbs {
		p.width = max(p.width, len(v))
	}
	if o.Terminal != nil {
		p.lines = nil
		p.bars = newBars(o.Terminal, o.Size)
	}
	if p.lines != nil {
		p.lines.setGather(true)
	}
	return p
}

// Close draws the final state and ends the drawing.
func (p *Progress) Close() {
	if p.bars != nil {
		p.bars.close()
	}
	if p.lines != nil {
		p.lines.setGather(false)
	}
}

// HasBars tells whether bars are drawn, which lines on the same terminal would
// break until Close.
func (p *Progress) HasBars() bool { return p.bars != nil }

// Note reports something that is not a blob: "Preparing artifact.txt".
func (p *Progress) Note(verb, name string) {
	switch {
	case p.bars != nil:
		p.bars.note(p.pad(verb) + " " + name)
	case p.lines != nil && !p.namedOnly:
		p.lines.Line("%s %s", p.pad(verb), name)
	}
}

// Event reports a blob about which nothing more is to come: "Exists".
func (p *Progress) Event(verb string, d ocispec.Descriptor) {
	switch {
	case p.namedOnly && title(d) == "":
	case p.bars != nil:
		p.bars.note("✓ " + p.pad(verb) + " " + Name(d))
	case p.lines != nil:
		p.lines.Line("%s %s %s", p.pad(verb), ShortDigest(d), Name(d))
	}
}

// Start reports that the transfer of a blob begins. The caller ends it with
// Done or Fail.
func (p *Progress) Start(verb string, d ocispec.Descriptor) *Task {
	t := &Task{p: p, desc: d, verb: verb, start: time.Now()}
	switch {
	case p.namedOnly && title(d) == "":
		t.hidden = true
	case p.bars != nil:
		p.bars.add(t)
	default:
		p.Event(verb, d)
	}
	return t
}

// Transient shows work that leaves no line: a row on a terminal while it lasts,
// elsewhere nothing. A size of -1 is one that is not known. The caller ends it
// with Drop.
func (p *Progress) Transient(verb string, d ocispec.Descriptor) *Task {
	t := &Task{p: p, desc: d, verb: verb, start: time.Now(), hidden: true}
	if p.bars != nil {
		p.bars.add(t)
	}
	return t
}

// Task is the transfer of one blob.
type Task struct {
	p      *Progress
	desc   ocispec.Descriptor
	start  time.Time
	hidden bool
	done   atomic.Int64 // bytes moved

	// guarded by bars.mu, where there are bars
	verb  string
	state taskState
	took  time.Duration
}

type taskState int

const (
	running taskState = iota
	succeeded
	failed
)

// Add counts n more bytes as moved.
func (t *Task) Add(n int64) { t.done.Add(n) }

// Set makes n the number of bytes moved, for a transfer that is resumed or
// begins anew.
func (t *Task) Set(n int64) { t.done.Store(n) }

// Done ends the task well: "Uploaded".
func (t *Task) Done(verb string) {
	t.done.Store(t.desc.Size)
	t.end(verb, succeeded)
}

// Fail ends the task that did not succeed. Lines say nothing of it: the error
// of the command does.
func (t *Task) Fail() { t.end(t.verb, failed) }

// Drop ends a transient task.
func (t *Task) Drop() {
	if t.p.bars != nil {
		t.p.bars.drop(t)
	}
}

func (t *Task) end(verb string, s taskState) {
	switch {
	case t.hidden:
	case t.p.bars != nil:
		t.p.bars.end(t, verb, s)
	case s == succeeded:
		t.p.Event(verb, t.desc)
	}
}

func (p *Progress) pad(verb string) string {
	for len(verb) < p.width {
		verb += " "
	}
	return verb
}

// Name returns what to call the content of a descriptor: the file name that its
// title annotation gives, or its media type.
func Name(d ocispec.Descriptor) string {
	if t := title(d); t != "" {
		return t
	}
	return d.MediaType
}

func title(d ocispec.Descriptor) string { return d.Annotations[ocispec.AnnotationTitle] }

// ShortDigest returns the first 12 hexadecimal digits of the digest.
func ShortDigest(d ocispec.Descriptor) string {
	if _, err := ref.ValidateDigest(string(d.Digest)); err != nil {
		return "invalid"
	}
	return d.Digest.Encoded()[:12]
}
