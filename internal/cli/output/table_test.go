package output

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestTable(t *testing.T) {
	rows := []any{
		map[string]any{"name": "1.0", "signed": false, "id": "x", "changeableAttributes": map[string]any{"readEnabled": true}},
		map[string]any{"name": " esc\x1b", "signed": true, "size": 2.0, "nothing": nil},
	}
	order := KeyOrder{}
	order.Add([]string{"Tag", "Digest"})
	for _, c := range []struct {
		in   any
		want string
	}{
		{rows, "Name     Signed    Size\n-------  --------  ------\n1.0      False\nesc\\x1b  True      2\n"},
		{[]any{"a", "a long one"}, "Result\n----------\na\na long one\n"},
		{map[string]any{"Tag": "1", "Digest": "d"}, "Tag    Digest\n-----  --------\n1      d\n"},
		{[]any{[]any{"x", 1.0}}, "Column1    Column2\n---------  ---------\nx          1\n"},
		{[]any{}, "\n"},
	} {
		var b bytes.Buffer
		if err := WriteTable(&b, c.in, order); err != nil || b.String() != c.want {
			t.Errorf("table of %v is\n%s\nwant\n%s(%v)", c.in, b.String(), c.want, err)
		}
	}
}

func TestTSV(t *testing.T) {
	order := KeyOrder{}
	order.Add([]string{"tag", "digest"})
	for _, c := range []struct {
		in   any
		want string
	}{
		{"sha256:1", "sha256:1\n"},
		{"a\nb\x1b", "a\\x0ab\\x1b\n"},
		{true, "true\n"},
		{[]any{"a", "b"}, "a\nb\n"},
		{[]any{}, ""},
		{map[string]any{"b": 2.0, "a": "x", "c": nil, "d": []any{1.0, 2.0}, "e": map[string]any{}, "f": false}, "x\t2\tNone\t2\t\tFalse\n"},
		{[]any{[]any{"a", "b"}, []any{"c", "d"}}, "a\tb\nc\td\n"},
		{map[string]any{"digest": "d", "tag": "t"}, "t\td\n"},
		{nil, "None\n"},
	} {
		var b bytes.Buffer
		if err := WriteTSV(&b, c.in, order); err != nil || b.String() != c.want {
			t.Errorf("WriteTSV(%v) = %q, %v, want %q", c.in, b.String(), err, c.want)
		}
	}
}

func TestYAML(t *testing.T) {
	for in, want := range map[string]string{
		`"x"`: "x\n",
		`[]`:  "[]\n",
		`{"b":[{"x":1,"a":"1.0"},"t",[1,2],[]],"a":{"no1":null,"e":{},"t":true},"c":12345678901}`: `a:
  e: {}
  no1: null
  t: true
b:
- a: "1.0"
  x: 1
- t
- - 1
  - 2
- []
c: 12345678901
`,
		`[{"esc":"\u001b[1m"}]`: "- esc: \"\\x1b[1m\"\n",
	} {
		var b bytes.Buffer
		dec := json.NewDecoder(bytes.NewReader([]byte(in)))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if err := WriteYAML(&b, v); err != nil || b.String() != want {
			t.Errorf("YAML of %s is\n%s\nwant\n%s(%v)", in, b.String(), want, err)
		}
	}
}
