package output

import (
	"bytes"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func TestTree(t *testing.T) {
	root := NewNode("root", LookName)
	a := root.Add("a", LookKind)
	a.Add("b\x1b[2J", LookPlain).Add("c", LookPlain)
	a.Add("d", LookPlain)
	root.Add("e", LookPlain).Add("f\nsecond line", LookNote)
	for _, tt := range []struct {
		colours bool
		want    string
	}{
		{false, `root
├── a
│   ├── b\x1b[2J
│   │   └── c
│   └── d
└── e
    └── f\x0asecond line
`},
		{true, "\x1b[32mroot\x1b[0m\n├── \x1b[93ma\x1b[0m\n│   ├── b\\x1b[2J\n│   │   └── c\n│   └── d\n└── e\n" +
			"    └── \x1b[90mf\\x0asecond line\x1b[0m\n"},
	} {
		var b bytes.Buffer
		root.Print(NewPrinter(&b), tt.colours)
		if b.String() != tt.want {
			t.Errorf("with colours %v the tree is\n%s\nwant\n%s", tt.colours, b.String(), tt.want)
		}
	}
}

// texts are some that need quotes in YAML, and some that do not.
var texts = []string{
	"", "a", "plain text", "it's", `"q"`, "a: b", "a:b", "a #b", "a#b", "#a", " a", "a ", "-", "- a", "-a", "? a", "?a", ":a", ": a", "a:",
	"true", "True", "tRUE", "null", "~", "~a", "yes", "on", "n", "123", "1_000", "0x1f", "0o17", "0b11", "1.5", "1e3", ".5", "-.inf", ".NaN", "1.2.3",
	"2020-01-02", "2020-01-02T03:04:05Z", "2020-01-02T03:04:05.5+01:00", "2020-01-02 03:04:05", "v1.0", "190:20:30", "<<", "---", "...", "--- a",
	"{\"a\":1}", "[a]", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a`", "tab\there", "ü€", "a,b", "+1", "-1", "1,5", "=", "sha256:abc", "https://example.com/x?y=z",
}

// A YAML library of the reader's choice must read what was written, and for
// texts on one line it is what ORAS prints.
func TestYAMLPair(t *testing.T) {
	for _, s := range append(texts, "a\nb", "\x1b[2J", "\u202e", "\u2028", "a\x00b", strings.Repeat("long ", 100)+"end") {
		line := YAMLPair(s, s)
		var got map[string]string
		if err := yaml.Unmarshal([]byte(line), &got); err != nil || len(got) != 1 || got[s] != s {
			t.Errorf("%q is written as %s, which reads as %q, %v", s, line, got, err)
		}
	}
	for _, s := range texts {
		raw, err := yaml.Marshal(map[string]string{"k": s})
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSpace(string(raw))
		if readAsData.MatchString(s) {
			want = strings.ReplaceAll(want, `"`, "'") // so does the release that ORAS 1.3.6 has
		}
		if got := YAMLPair("k", s); got != want {
			t.Errorf("%q is written as %s, want %s", s, got, want)
		}
	}
}

func FuzzYAMLPair(f *testing.F) {
	for _, s := range texts {
		f.Add(s, "value")
		f.Add("key", s)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		key, value = strings.ToValidUTF8(key, ""), strings.ToValidUTF8(value, "")
		line := YAMLPair(key, value)
		if strings.ContainsAny(line, "\n\r\x1b") {
			t.Fatalf("%q is no line", line)
		}
		var got map[string]string
		if err := yaml.Unmarshal([]byte(line), &got); err != nil || len(got) != 1 || got[key] != value {
			t.Errorf("%q: %q is written as %s, which reads as %q, %v", key, value, line, got, err)
		}
	})
}
