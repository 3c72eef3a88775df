package files

import "testing"

func TestParseArg(t *testing.T) {
	for _, tt := range []struct {
		in      string
		windows bool
		want    Arg
	}{
		{"artifact.txt", false, Arg{"artifact.txt", ""}},
		{"./artifact.txt:application/vnd.unknown.layer.v1+txt", false, Arg{"./artifact.txt", "application/vnd.unknown.layer.v1+txt"}},
		{"/dev/null:application/vnd.unknown.config.v1+json", false, Arg{"/dev/null", "application/vnd.unknown.config.v1+json"}},
		{"a:b:text/plain", false, Arg{"a:b", "text/plain"}},
		{"a:b:", false, Arg{"a:b", ""}},
		{"file:", false, Arg{"file", ""}},
		{`C:\a:text/plain`, false, Arg{`C:\a`, "text/plain"}},
		{`.\artifact.txt:application/vnd.unknown.layer.v1+txt`, true, Arg{`.\artifact.txt`, "application/vnd.unknown.layer.v1+txt"}},
		{"NUL:application/vnd.unknown.config.v1+json", true, Arg{"NUL", "application/vnd.unknown.config.v1+json"}},
		{"NUL:", true, Arg{"NUL", ""}},
		{`C:\a\b.txt`, true, Arg{`C:\a\b.txt`, ""}},
		{`C:\a\b.txt:text/plain`, true, Arg{`C:\a\b.txt`, "text/plain"}},
		{"c:/a:text/plain", true, Arg{"c:/a", "text/plain"}},
		{`\\?\C:\a:text/plain`, true, Arg{`\\?\C:\a`, "text/plain"}},
		{`\\server\share\a:text/plain`, true, Arg{`\\server\share\a`, "text/plain"}},
		{"a:text/plain", true, Arg{"a", "text/plain"}},
		{"a.txt", true, Arg{"a.txt", ""}},
	} {
		if got, err := ParseArg(tt.in, tt.windows); err != nil || got != tt.want {
			t.Errorf("ParseArg(%q, %t) = %q, %v", tt.in, tt.windows, got, err)
		}
	}
	for _, in := range []string{"", ":", ":text/plain"} {
		for _, windows := range []bool{false, true} {
			if got, err := ParseArg(in, windows); err == nil {
				t.Errorf("ParseArg(%q, %t) = %q", in, windows, got)
			}
		}
	}
}

func TestTitleOf(t *testing.T) {
	for _, tt := range []struct {
		in      string
		windows bool
		want    string
	}{
		{"./a.txt", false, "a.txt"},
		{"a/../b//c/", false, "b/c"},
		{"../x", false, "../x"},
		{".", false, "."},
		{`a\b`, false, `a\b`},
		{`.\a.txt`, true, "a.txt"},
		{`sub\.\b.txt`, true, "sub/b.txt"},
	} {
		if got := titleOf(tt.in, tt.windows); got != tt.want {
			t.Errorf("titleOf(%q, %t) = %q, want %q", tt.in, tt.windows, got, tt.want)
		}
	}
}

func FuzzParseArg(f *testing.F) {
	for _, s := range []string{"a:b", `C:\a:b`, `\\?\C:\`, "::", "NUL:", `\\?\`} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, windows bool) {
		a, err := ParseArg(s, windows)
		if err == nil && a.Path != s && a.Path+":"+a.MediaType != s {
			t.Errorf("ParseArg(%q, %t) = %q", s, windows, a)
		}
	})
}
