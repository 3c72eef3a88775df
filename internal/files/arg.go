package files

import (
	"fmt"
	"path"
	"strings"
)

// Arg is one file or directory of a push.
type Arg struct {
	Path      string // as typed
	MediaType string // "" is the default of its kind
}

// ParseArg parses FILE[:TYPE]. The last colon separates the type; a colon at
// the end stands for the default type and lets a name contain colons. With
// windows, a drive such as C:\ belongs to the name, and the first colon after
// it separates.
func ParseArg(s string, windows bool) (Arg, error) {
	i := strings.LastIndexByte(s, ':')
	if windows {
		i = windowsColon(s)
	}
	a := Arg{Path: s}
	if i >= 0 {
		a = Arg{Path: s[:i], MediaType: s[i+1:]}
	}
	if a.Path == "" {
		return Arg{}, fmt.Errorf("no file name in %q: want FILE[:TYPE]", s)
	}
	return a, nil
}

// windowsColon returns the index of the colon before the type, -1 if none.
func windowsColon(s string) int {
	start := 0
	if strings.HasPrefix(s, `\\?\`) || strings.HasPrefix(s, `\\.\`) {
		start = 4
	}
	if hasDrive(s[start:]) && len(s) > start+2 && isSlash(s[start+2]) {
		start += 2
	}
	if i := strings.IndexByte(s[start:], ':'); i >= 0 {
		return start + i
	}
	return -1
}

// hasDrive tells whether s begins with a drive of Windows, such as C:.
func hasDrive(s string) bool {
	return len(s) >= 2 && s[1] == ':' && ('a' <= s[0]|0x20 && s[0]|0x20 <= 'z')
}

func isSlash(c byte) bool { return c == '/' || c == '\\' }

// isNull tells whether a path is the null device of some system.
func isNull(p string) bool {
	return p == "/dev/null" || strings.EqualFold(p, "NUL") || strings.EqualFold(p, "NUL:")
}

// titleOf returns the title of a file: its path as typed, clean, with slashes.
func titleOf(p string, windows bool) string {
	if windows {
		p = strings.ReplaceAll(p, `\`, "/")
	}
	return path.Clean(p)
}

// isAbsolute tells whether a path does not depend on the current directory,
// or only on the current drive.
func isAbsolute(p string, windows bool) bool {
	if windows {
		return p != "" && isSlash(p[0]) || hasDrive(p)
	}
	return strings.HasPrefix(p, "/")
}
