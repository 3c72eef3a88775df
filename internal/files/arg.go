package files

import "errors"

// Arg is one file or directory of a push.
type Arg struct {
	Path      string // as typed
	MediaType string // "" is the default of its kind
}

// ParseArg parses FILE[:TYPE]. The last colon separates the type; a colon at
// the end stands for the default type and lets a name contain colons. With
// windows, a drive such as C:\ belongs to the name, and the first colon after
// it separates.
func ParseArg(s string, windows bool) (Arg, error) { return Arg{}, errors.ErrUnsupported }
