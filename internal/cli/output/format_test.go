package output

import (
	"bytes"
	"strings"
	"testing"
)

type result struct {
	Reference   string            `json:"reference"`
	Size        int64             `json:"size"`
	Tags        []string          `json:"tags"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

var sample = result{
	Reference:   "localhost:5000/hello@sha256:1",
	Size:        1 << 40,
	Tags:        []string{"v1", "latest"},
	Annotations: map[string]string{"html": "<a&b>", "esc": "\x1b[1m"},
}

func TestWriteJSON(t *testing.T) {
	f, err := ParseFormat("json", "")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b, sample); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"{\n  \"reference\": ", `"html": "<a&b>"`, `"size": 1099511627776`, `"esc": "\u001b[1m"`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("output lacks %s:\n%s", want, b.String())
		}
	}
	if !strings.HasSuffix(b.String(), "}\n") {
		t.Errorf("output does not end with a newline: %q", b.String())
	}
}

func TestTemplates(t *testing.T) {
	for text, want := range map[string]string{
		"{{.reference}}":                               "localhost:5000/hello@sha256:1",
		"{{.size}}":                                    "1099511627776",
		"{{if gt .size 5}}big{{end}}":                  "big",
		`{{join "," .tags}}`:                           "v1,latest",
		`{{first .tags}} {{last .tags}}`:               "v1 latest",
		`{{.tags | json}}`:                             `["v1","latest"]`,
		`{{upper "abc"}} {{lower "ABC"}}`:              "ABC abc",
		`{{.nothing | default "none"}}`:                "none",
		`{{index .annotations "html"}}`:                "<a&b>",
		`{{range split "@" .reference}}<{{.}}>{{end}}`: "<localhost:5000/hello><sha256:1>",
		// sprig, as in ORAS
		`{{(split "@" .reference)._1}}`:                  "sha256:1",
		`{{.tags | toJson}}{{toPrettyJson .tags | len}}`: `["v1","latest"]22`,
		`{{index (splitList ":" "a:b") 1 | quote}}`:      `"b"`,
		`{{.tags | sortAlpha | join "+"}}`:               "latest+v1",
		`{{regexReplaceAll "[0-9]+" "a1b22" "#"}}`:       "a#b#",
		`{{div .size 1024 | int64}}`:                     "1073741824",
		`{{ternary "yes" "no" (has "v1" .tags)}}`:        "yes",
		`{{semverCompare ">=1.2" "1.3.0"}}`:              "true",
	} {
		f, err := ParseFormat("go-template="+text, "")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var b bytes.Buffer
		if err := f.Write(&b, sample); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if b.String() != want {
			t.Errorf("%s gives %q, want %q", text, b.String(), want)
		}
	}
}

func TestParseFormatRefuses(t *testing.T) {
	for _, c := range []struct{ format, template string }{
		{"yaml", ""}, {"json", "{{.}}"}, {"text", "{{.}}"}, {"go-template", ""}, {"go-template=", ""},
		{"go-template={{.x", ""}, {"go-template={{.x}}", "{{.y}}"}, {"json={{.}}", ""}, {"", "{{.}}"},
	} {
		if _, err := ParseFormat(c.format, c.template); err == nil {
			t.Errorf("ParseFormat(%q, %q) was accepted", c.format, c.template)
		}
	}
}
