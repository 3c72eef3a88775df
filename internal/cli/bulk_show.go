package cli

import (
	"slices"
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

// stage is how far the transfer of a blob or manifest has been shown.
type stage int

const (
	begun stage = iota + 1
	ended
)

// show shows what is copied on p, and writes a line for each tag that is done
// to out.
func (b *bulkCopy) show(p *output.Progress, doing, done string, out *output.Printer) {
	b.moved = newTransfers(p, doing, done)
	b.sentence = done + " tag %s with %d referrer(s)"
	b.out, b.later = out, p.HasBars()
}

// event shows what happens. What several copies found missing at once comes as
// sent from each: it is shown once.
func (b *bulkCopy) event(e orlop.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := e.Descriptor.Digest
	seen := b.seen[d]
	switch {
	case e.Kind == orlop.Started && seen == ended:
		e.Kind = orlop.Exists
	case e.Kind == orlop.Started && seen == begun, e.Kind == orlop.Done && seen == ended:
		return
	case e.Kind == orlop.Started:
		b.seen[d] = begun
	case e.Kind == orlop.Done:
		b.seen[d] = ended
	}
	b.moved.event(e)
}

// line writes a line about a tag. b.mu must be held.
func (b *bulkCopy) line(text string) {
	if b.later {
		b.lines = append(b.lines, text)
		return
	}
	b.out.Line("%s", text)
}

// finish puts the tags in their order and writes the lines that had to wait.
func (b *bulkCopy) finish() {
	slices.SortFunc(b.copied, func(x, y copiedTag) int { return strings.Compare(x.Tag, y.Tag) })
	slices.SortFunc(b.failed, func(x, y failedTag) int { return strings.Compare(x.Tag, y.Tag) })
	for _, line := range b.lines {
		b.out.Line("%s", line)
	}
}
