package output

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"artifact.txt":                 "artifact.txt",
		"grüße 世界 👩\u200d🚀":            "grüße 世界 👩\u200d🚀",
		"\x1b[2Jgone":                  `\x1b[2Jgone`,
		"a\nb\tc\r":                    `a\x0ab\x09c\x0d`,
		"\x7f\u009b31m":                `\x7f\u009b31m`,
		"exe.\u202etxt":                `exe.\u202etxt`,
		"\u2066x\u2069\u061c\u200f":    `\u2066x\u2069\u061c\u200f`,
		"a\u2028b\ufeffc\u00ad":        `a\u2028b\ufeffc\u00ad`,
		"\U000e0041":                   `\U000e0041`,
		"bad \xff\xc3 bytes":           `bad \xff\xc3 bytes`,
		"\ufffd is a real replacement": "\ufffd is a real replacement",
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"plain", "\x1b]0;title\x07", "\u202e", "\xff", "\u0085", "👩\u200d🚀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Escape(s)
		if !utf8.ValidString(got) {
			t.Fatalf("Escape(%q) = %q is no UTF-8", s, got)
		}
		for _, r := range got {
			if harmful(r) {
				t.Fatalf("Escape(%q) = %q keeps %U", s, got, r)
			}
		}
		if Escape(got) != got {
			t.Fatalf("Escape(%q) is not stable", s)
		}
	})
}

func TestPrinterEscapesAndKeepsOneLine(t *testing.T) {
	var b bytes.Buffer
	p := NewPrinter(&b)
	p.Line("Tagged %s", "v1\nPushed \x1b[1mfake")
	if got, want := b.String(), `Tagged v1\x0aPushed \x1b[1mfake`+"\n"; got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

func TestPrinterReportsLostOutput(t *testing.T) {
	full := errors.New("no space left on device")
	w := &failing{err: full}
	p := NewPrinter(w)
	p.Line("one")
	p.Line("two")
	if !errors.Is(p.Err(), full) {
		t.Errorf("Err() = %v, want %v", p.Err(), full)
	}
	if w.calls != 1 {
		t.Errorf("wrote %d times, want nothing more after the failure", w.calls)
	}
}

type failing struct {
	err   error
	calls int
}

func (f *failing) Write([]byte) (int, error) {
	f.calls++
	return 0, f.err
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KB", 1536: "1.5 KB", 10752: "10.5 KB", 150_000: "146 KB", 1 << 20: "1 MB",
		5<<30 + 5<<20: "5 GB", 5_123_456_789: "4.77 GB", 1 << 62: "4 EB", -1: "-1 B",
	} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{
		{"short", 10, "short"},
		{"exactly ten", 11, "exactly ten"},
		{"a long file name", 8, "a long …"},
		{"世界世界", 5, "世界…"},
	} {
		got := clip(c.in, c.width)
		if got != c.want || cells(got) > c.width {
			t.Errorf("clip(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
	}
	if got := clip(strings.Repeat("x", 500), 80); cells(got) != 80 {
		t.Errorf("a long line has %d cells, want 80", cells(got))
	}
}
