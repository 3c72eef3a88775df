package gate

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/orlop/orlop"
)

// Page is what a client asks of a list.
type Page struct {
	N     int    // items at most
	Last  string // the name to go on after; "" for the start
	Query url.Values
}

// Errors of every API.
var (
	// ErrQuery refuses a query that cannot be parsed.
	ErrQuery = &orlop.Error{Code: orlop.CodeUnsupported, Message: "invalid query", Status: http.StatusBadRequest}
	// ErrLast refuses a name to go on after that cannot be one.
	ErrLast = orlop.ErrPaginationInvalid.With("invalid last")
	// ErrNoPath answers a path that is nobody's.
	ErrNoPath = &orlop.Error{Code: "NOT_FOUND", Message: "no such path", Status: http.StatusNotFound}
)

// maxLast is the longest name to go on after, in bytes; no name is longer.
const maxLast = 255

// ParsePage parses the parameters n and last. No n becomes usual, one above limit
// becomes limit; a Link header then leads to the rest.
func ParsePage(rawQuery string, usual, limit int) (Page, error) {
	p := Page{N: usual}
	if rawQuery == "" {
		return p, nil
	}
	var err error
	if p.Query, err = url.ParseQuery(rawQuery); err != nil {
		return p, ErrQuery
	}
	if s := p.Query.Get("n"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return p, orlop.ErrPaginationInvalid
		}
		p.N = int(min(n, int64(limit)))
	}
	p.Last = p.Query.Get("last")
	if len(p.Last) > maxLast || !isPlain(p.Last) {
		return p, ErrLast
	}
	return p, nil
}

// isPlain tells whether a string could be compared with names: it is UTF-8 and
// has no control characters.
func isPlain(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}
