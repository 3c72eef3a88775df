package files

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// traversalHint is the next step where a name leads out of the folder.
const traversalHint = "if you trust the artifact, use --allow-path-traversal"

// checkTitle tells why a title cannot be the name of a file, nil if it can.
// With traversal, it may lie anywhere.
func checkTitle(title string, traversal, windows bool) error {
	clean := path.Clean(title)
	switch {
	case title == "":
		return errors.New("the title is empty")
	case strings.Contains(title, "\x00"):
		return fmt.Errorf("the title %q contains a zero byte", title)
	case strings.HasSuffix(title, "/") || clean == ".":
		return fmt.Errorf("the title %q does not name a file", title)
	case isReserved(clean):
		return fmt.Errorf("the title %q is that of a partial file", title)
	case traversal:
		return nil
	case isAbsolute(title, windows):
		return fmt.Errorf("the title %q is an absolute path; %s", title, traversalHint)
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return fmt.Errorf("the title %q leads out of the folder; %s", title, traversalHint)
	case windows:
		return checkWindows(clean)
	}
	return nil
}

// isReserved tells whether a name has the form of our partial files: content of
// such a name could pass for that of another file.
func isReserved(name string) bool {
	for element := range strings.SplitSeq(name, "/") {
		if partialPattern.MatchString(element) {
			return true
		}
	}
	return false
}

// checkWindows tells why Windows would take a name for something else.
func checkWindows(name string) error {
	for element := range strings.SplitSeq(name, "/") {
		if strings.ContainsFunc(element, func(c rune) bool { return c < ' ' || strings.ContainsRune(`\:*?"<>|`, c) }) {
			return fmt.Errorf("the name %q contains a character that Windows does not allow", name)
		}
		if strings.HasSuffix(element, ".") || strings.HasSuffix(element, " ") {
			return fmt.Errorf("the name %q has an end that Windows does not allow", name)
		}
		if isDevice(element) {
			return fmt.Errorf("the name %q is a device on Windows", name)
		}
	}
	return nil
}

// isDevice tells whether Windows takes a file name for a device, whatever its
// extension is.
func isDevice(name string) bool {
	name, _, _ = strings.Cut(name, ".")
	name = strings.ToUpper(strings.TrimRight(name, " "))
	switch name {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, ok := strings.CutPrefix(name, "COM")
	if !ok {
		port, ok = strings.CutPrefix(name, "LPT")
	}
	return ok && (len(port) == 1 && '0' <= port[0] && port[0] <= '9' || port == "¹" || port == "²" || port == "³")
}

// checkEntry tells why the name of an entry, relative to its archive, cannot
// be used.
func checkEntry(name string, windows bool) error {
	if strings.Contains(name, "\x00") || isAbsolute(name, windows) {
		return errors.New("its name leads out of the archive")
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == ".." {
			return errors.New("its name leads out of the archive")
		}
	}
	if isReserved(name) {
		return errors.New("its name is that of a partial file")
	}
	if windows && path.Clean(name) != "." {
		return checkWindows(path.Clean(name))
	}
	return nil
}

// checkLink tells why the target of a symbolic link at name could lead out of
// its archive. ".." is accepted at the beginning only, where it goes through
// folders and not through other links.
func checkLink(name, target string, windows bool) error {
	if target == "" || strings.Contains(target, "\x00") {
		return errors.New("its target is not a path")
	}
	if isAbsolute(target, windows) || windows && strings.Contains(target, `\`) {
		return fmt.Errorf("its target %q leads out of the archive; %s", target, traversalHint)
	}
	depth, down := strings.Count(name, "/"), false
	for element := range strings.SplitSeq(target, "/") {
		switch {
		case element == "" || element == ".":
		case element != "..":
			down = true
		case down || depth == 0:
			return fmt.Errorf("its target %q could lead out of the archive; %s", target, traversalHint)
		default:
			depth--
		}
	}
	return nil
}
