package files

import (
	"strings"
	"testing"
)

func TestCheckTitle(t *testing.T) {
	for _, tt := range []struct {
		title     string
		windows   bool
		traversal bool // good with path traversal, which the error then names
	}{
		{title: ""}, {title: "."}, {title: "./"}, {title: "/"}, {title: "//"}, {title: "a/"}, {title: "a/.."}, {title: "../"}, {title: "a\x00b"},
		{title: "..", traversal: true},
		{title: "../a", traversal: true},
		{title: "a/../../b", traversal: true},
		{title: "./../b", traversal: true},
		{title: "/etc/passwd", traversal: true},
		{title: "//etc/passwd", traversal: true},
		{title: `C:\a`, windows: true, traversal: true},
		{title: "c:a", windows: true, traversal: true},
		{title: `\a`, windows: true, traversal: true},
		{title: `\\server\share\a`, windows: true, traversal: true},
		{title: `a\..\..\b`, windows: true},
		{title: `..\b`, windows: true},
		{title: "ab:stream", windows: true},
		{title: "NUL", windows: true},
		{title: "nul.txt", windows: true},
		{title: "a/CON/b", windows: true},
		{title: "COM1", windows: true},
		{title: "lpt9.log", windows: true},
		{title: "COM¹", windows: true},
		{title: "CONIN$", windows: true},
		{title: "aux .x", windows: true},
		{title: "a.", windows: true},
		{title: "a ", windows: true},
		{title: "a?", windows: true},
		{title: "a\x1b", windows: true},
	} {
		err := checkTitle(tt.title, false, tt.windows)
		if err == nil {
			t.Errorf("checkTitle(%q, windows %t) accepted it", tt.title, tt.windows)
			continue
		}
		if hint := strings.Contains(err.Error(), "--allow-path-traversal"); hint != tt.traversal {
			t.Errorf("checkTitle(%q): hint is %t: %v", tt.title, hint, err)
		}
		if err := checkTitle(tt.title, true, tt.windows); (err == nil) != tt.traversal && !tt.windows {
			t.Errorf("checkTitle(%q) with traversal: %v", tt.title, err)
		}
	}
	for _, title := range []string{"a", "a/b", "./a", "a/./b", "..a", "a..", "...", "COM10", "NULL", "console", ".nul", "ä"} {
		if err := checkTitle(title, false, !strings.HasSuffix(title, ".")); err != nil {
			t.Errorf("checkTitle(%q): %v", title, err)
		}
	}
}

func TestCheckLink(t *testing.T) {
	for _, tt := range []struct {
		name, target string
		ok           bool
	}{
		{"l", "a", true}, {"l", "a/b", true}, {"l", "./a", true}, {"d/l", "../a", true}, {"d/e/l", "../../a/b", true}, {"d/l", "..", true}, {"l", ".", true},
		{"l", "", false}, {"l", "/etc", false}, {"l", "..", false}, {"l", "../a", false}, {"d/l", "../../a", false}, {"d/l", "./../..", false},
		{"l", "a/../b", false}, {"d/e/l", "../x/../../..", false}, {"l", "a\x00", false},
	} {
		if err := checkLink(tt.name, tt.target, false); (err == nil) != tt.ok {
			t.Errorf("checkLink(%q, %q) = %v", tt.name, tt.target, err)
		}
	}
	for _, target := range []string{`C:\a`, `..\..\a`, `\a`, "c:a"} {
		if checkLink("d/l", target, true) == nil {
			t.Errorf("checkLink(%q) on Windows accepted it", target)
		}
	}
}
