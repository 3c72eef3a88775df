package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestMatchTitle(t *testing.T) {
	for _, tt := range []struct {
		pattern, title string
		want           bool
	}{
		{"a.txt", "a.txt", true},
		{"a.txt", "dir/a.txt", false},
		{"*.txt", "a.txt", true},
		{"*.txt", "dir/a.txt", false},
		{"*/*.txt", "dir/a.txt", true},
		{"**/*.txt", "a.txt", true},
		{"**/*.txt", "x/y/z/a.txt", true},
		{"**/*.txt", "x/y/z/a.md", false},
		{"dir/**", "dir/a", true},
		{"dir/**", "dir/x/y", true},
		{"dir/**", "dir", true},
		{"dir/**", "other/dir/x", false},
		{"**", "anything/at/all", true},
		{"a/**/z", "a/z", true},
		{"a/**/z", "a/b/c/z", true},
		{"a/**/m/**/z", "a/b/m/c/d/z", true},
		{"a/**/m/**/z", "a/b/c/d/z", false},
		{"[ab].txt", "b.txt", true},
		{"**.txt", "dir/a.txt", false}, // ** stands for folders only as an element of its own
		{"a.txt", "./a.txt", true},
		{"", "a", false},
	} {
		if got := matchTitle(tt.pattern, tt.title); got != tt.want {
			t.Errorf("matchTitle(%q, %q) = %v", tt.pattern, tt.title, got)
		}
	}
}

// TestMatchTitleLong: what a stranger calls a file takes no time that explodes.
func TestMatchTitleLong(t *testing.T) {
	pattern := strings.Repeat("**/a/", 20) + "b"
	if matchTitle(pattern, strings.Repeat("a/", 20_000)+"c") {
		t.Error("matches")
	}
}

func FuzzMatchTitle(f *testing.F) {
	for _, seed := range [][2]string{{"**/*.txt", "a/b.txt"}, {"[", "a"}, {"a/**/b", "a/b"}, {`\*`, "*"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, title string) {
		if checkPattern(pattern) != nil {
			return
		}
		got := matchTitle(pattern, title)
		if got && !matchTitle("**/"+pattern, title) {
			t.Errorf("**/%q does not match %q, but without ** it does", pattern, title)
		}
	})
}

func TestAs(t *testing.T) {
	for _, tt := range []struct {
		as   []string
		name string
		want string // names, as title=name
		err  string
	}{
		{as: []string{"b"}, name: "b"},
		{as: []string{"a=b"}, want: "a=b"},
		{as: []string{"a=b", "c=d/e"}, want: "a=b c=d/e"},
		{as: []string{"x=y=z"}, want: "x=y=z"},
		{as: []string{"a=b", "a=c"}, err: "two names"},
		{as: []string{"a", "b"}, err: "one file only"},
		{as: []string{"a=b", "c"}, err: "one file only"},
		{as: []string{""}, err: "invalid"},
		{as: []string{"a="}, err: "invalid"},
		{as: []string{"=a"}, err: "invalid"},
		{as: []string{"/etc/passwd"}, err: "output directory"},
		{as: []string{"a=../b"}, err: "output directory"},
	} {
		o := selectOptions{as: tt.as}
		err := o.validate()
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want %s", tt.as, err, tt.err)
			}
			continue
		}
		var names []string
		for title, name := range o.names {
			names = append(names, title+"="+name)
		}
		slices.Sort(names)
		if err != nil || o.name != tt.name || strings.Join(names, " ") != tt.want {
			t.Errorf("%q: %q, %q, %v", tt.as, o.name, names, err)
		}
	}
}
