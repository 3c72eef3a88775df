package output

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func blob(content, title string) ocispec.Descriptor {
	d := ocispec.Descriptor{
		MediaType: "application/vnd.example", Digest: digest.FromString(content), Size: int64(len(content)),
	}
	if title != "" {
		d.Annotations = map[string]string{ocispec.AnnotationTitle: title}
	}
	return d
}

func TestStatusLines(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(ProgressOptions{Lines: NewPrinter(&b), Verbs: []string{"Preparing", "Uploading", "Uploaded", "Exists"}})
	p.Note("Preparing", "artifact.txt")
	task := p.Start("Uploading", blob("Here is an artifact!\n", "artifact.txt"))
	task.Add(21)
	task.Done("Uploaded")
	p.Event("Exists", blob("", ""))
	p.Start("Uploading", blob("x", "broken")).Fail()
	p.Close()
	want := `Preparing artifact.txt
Uploading 603ea6780f25 artifact.txt
Uploaded  603ea6780f25 artifact.txt
Exists    e3b0c44298fc application/vnd.example
Uploading 2d711642b726 broken
`
	if b.String() != want {
		t.Errorf("lines are\n%s\nwant\n%s", b.String(), want)
	}
}

func TestStatusLinesOfNamedBlobsOnly(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(ProgressOptions{Lines: NewPrinter(&b), NamedOnly: true})
	p.Note("Preparing", "artifact.txt")
	p.Start("Uploading", blob("x", "")).Done("Uploaded")
	p.Event("Exists", blob("Here is an artifact!\n", "artifact.txt"))
	p.Close()
	if want := "Exists 603ea6780f25 artifact.txt\n"; b.String() != want {
		t.Errorf("lines are %q, want %q", b.String(), want)
	}
}

func TestNoOutput(t *testing.T) {
	p := NewProgress(ProgressOptions{})
	p.Note("Preparing", "x")
	p.Start("Uploading", blob("x", "y")).Done("Uploaded")
	p.Event("Exists", blob("x", "y"))
	p.Close()
}

// frames draws by hand, so that no test waits for the clock.
func frames(width, height int) (*Progress, *bytes.Buffer) {
	var b bytes.Buffer
	return &Progress{
		width: len("Uploading"),
		bars:  &bars{w: &b, size: func() (int, int) { return width, height }},
	}, &b
}

func TestBarsShowRunningAndFinalState(t *testing.T) {
	p, b := frames(80, 24)
	task := p.Start("Uploading", blob(strings.Repeat("x", 2048), "big.bin"))
	task.Add(1024)
	p.bars.draw(false)
	if got := b.String(); !strings.Contains(got, "Uploading big.bin") || !strings.Contains(got, "1 KB/2 KB  50.00%") {
		t.Errorf("frame is %q", got)
	}
	b.Reset()
	task.Done("Uploaded")
	p.bars.draw(false)
	if got := b.String(); !strings.HasPrefix(got, "\x1b[1A\r\x1b[J") || !strings.Contains(got, "✓ Uploaded  big.bin") ||
		!strings.Contains(got, "100.00%") {
		t.Errorf("frame after the end is %q", got)
	}
	b.Reset()
	p.bars.draw(true)
	if b.Len() != 0 {
		t.Errorf("a row that has ended was drawn again: %q", b.String())
	}
}

func TestBarsDrawTheShare(t *testing.T) {
	p, b := frames(100, 24)
	task := p.Start("Uploading", blob(strings.Repeat("x", 2048), "big.bin"))
	for _, tt := range []struct {
		n    int64
		want string
	}{{0, "[                      ]"}, {1024, "[===========           ]"}, {4096, "[======================]"}} {
		b.Reset()
		task.Set(tt.n)
		p.bars.draw(false)
		if !strings.Contains(b.String(), tt.want) {
			t.Errorf("at %d bytes: %q", tt.n, b.String())
		}
	}
}

// A command that ends early leaves no row that seems to go on.
func TestBarsEndUnfinished(t *testing.T) {
	p, b := frames(80, 24)
	p.Start("Uploading", blob("x", "name"))
	p.bars.draw(true)
	if !strings.Contains(b.String(), "✗ Uploading name") || strings.Contains(b.String(), "/s") {
		t.Errorf("frame is %q", b.String())
	}
}

func TestTransient(t *testing.T) {
	p, b := frames(100, 24)
	hashing := p.Transient("Hashing", blob("12345678", "big.bin"))
	d := blob("", "dir")
	d.Size = -1
	packing := p.Transient("Packing", d)
	hashing.Set(4)
	packing.Set(2048)
	p.bars.draw(false)
	for _, want := range []string{"Hashing   big.bin", "50.00%", "Packing   dir", " 2 KB "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("frame lacks %q: %q", want, b.String())
		}
	}
	hashing.Drop()
	packing.Drop()
	b.Reset()
	p.bars.draw(true)
	if strings.Contains(b.String(), "big.bin") || strings.Contains(b.String(), "dir") {
		t.Errorf("last frame is %q", b.String())
	}
	var lines bytes.Buffer
	quiet := NewProgress(ProgressOptions{Lines: NewPrinter(&lines)})
	quiet.Transient("Hashing", blob("x", "x")).Drop()
	if quiet.Close(); lines.Len() != 0 {
		t.Errorf("lines are %q", lines.String())
	}
}

func TestBarsKeepWithinTheTerminal(t *testing.T) {
	const width, height = 60, 10
	p, b := frames(width, height)
	for i := range 50 {
		p.Start("Uploading", blob(fmt.Sprint(i), strings.Repeat("a very long name ", 10)))
	}
	p.bars.draw(false)
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) >= height {
		t.Errorf("drew %d rows on a terminal of %d", len(lines), height)
	}
	for _, l := range lines {
		if cells(l) >= width {
			t.Errorf("row of %d cells on a terminal of %d: %q", cells(l), width, l)
		}
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, "and 42 more") {
		t.Errorf("last row is %q, want the number of the others", last)
	}
	if p.bars.drawn != len(lines) {
		t.Errorf("the next frame replaces %d rows of %d", p.bars.drawn, len(lines))
	}
}

func TestBarsEscapeNames(t *testing.T) {
	p, b := frames(100, 24)
	p.Start("Uploading", blob("x", "evil\x1b[2J\u202e"))
	p.Event("Exists", blob("y", "more\x1b[2J"))
	p.bars.draw(true)
	if regexp.MustCompile(`\x1b\[2J|\x{202e}`).MatchString(b.String()) {
		t.Errorf("a name reached the terminal as it was: %q", b.String())
	}
}

func TestBarsFail(t *testing.T) {
	p, b := frames(80, 24)
	task := p.Start("Uploading", blob("x", "name"))
	task.Fail()
	task.Done("Uploaded") // too late
	p.bars.draw(true)
	if !strings.Contains(b.String(), "✗ Uploading name") {
		t.Errorf("frame is %q", b.String())
	}
}

func TestBarsConcurrently(t *testing.T) {
	var b syncBuffer
	p := NewProgress(ProgressOptions{Terminal: &b, Verbs: []string{"Uploading"}})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			task := p.Start("Uploading", blob(fmt.Sprint(i), fmt.Sprintf("file-%02d", i)))
			for range 10 {
				task.Add(1)
			}
			task.Done("Uploaded")
		})
	}
	wg.Wait()
	p.Close()
	for i := range 40 {
		if name := fmt.Sprintf("✓ Uploaded  file-%02d", i); strings.Count(b.String(), name) != 1 {
			t.Errorf("%q is not there once", name)
		}
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestBarsKeepOrder: what ends first scrolls away first, rows and notes alike.
func TestBarsKeepOrder(t *testing.T) {
	p, b := frames(80, 24)
	one, two := p.Start("Uploading", blob("1", "one")), p.Start("Uploading", blob("2", "two"))
	two.Done("Uploaded")
	p.Event("Exists", blob("3", "three"))
	one.Done("Uploaded")
	p.bars.draw(true)
	order := regexp.MustCompile(`(?s)two.*three.*one.*2 transfers, 2 B in `)
	if !order.MatchString(b.String()) {
		t.Errorf("frame is %q", b.String())
	}
}

// TestRowOnNarrowTerminals: the share is the last figure to go.
func TestRowOnNarrowTerminals(t *testing.T) {
	p, _ := frames(0, 0)
	task := p.Start("Uploading", blob(strings.Repeat("x", 2048), strings.Repeat("long name ", 10)))
	task.Set(1024)
	for width, want := range map[int]string{
		80: "1 KB/2 KB  50.00%", 60: "1 KB/2 KB  50.00%", 45: "1 KB/2 KB  50.00%", 34: "50.00%", 25: "", 10: "", 1: "",
	} {
		row := p.bars.row(task, width)
		if cells(row) > width || !strings.Contains(row, want) || want == "" && strings.Contains(row, "%") {
			t.Errorf("at %d cells: %q (%d)", width, row, cells(row))
		}
	}
}

// Lines that gather come in order, before those that are written after Close.
func TestLinesGather(t *testing.T) {
	var b bytes.Buffer
	out := NewPrinter(&b)
	p := NewProgress(ProgressOptions{Lines: out})
	var want strings.Builder
	for i := range 2000 {
		p.Event("Uploaded", blob(fmt.Sprint(i), fmt.Sprintf("file%04d", i)))
		fmt.Fprintf(&want, "Uploaded %s file%04d\n", ShortDigest(blob(fmt.Sprint(i), "")), i)
	}
	p.Close()
	out.Line("Pushed")
	if got := b.String(); got != want.String()+"Pushed\n" {
		t.Errorf("got %d bytes, want %d", len(got), want.Len())
	}
}

func TestGatheredLinesThatAreLostAreAnError(t *testing.T) {
	out := NewPrinter(&failing{err: io.ErrShortWrite})
	p := NewProgress(ProgressOptions{Lines: out})
	p.Note("Preparing", "x")
	p.Close()
	if out.Err() == nil {
		t.Error("no error")
	}
}
