package acrapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
)

// Page sizes: what a client gets that does not say, and at most.
const (
	defaultPage = 100
	maxPage     = 1000
)

// maxLast is the longest name to go on after, in bytes; no name is longer.
const maxLast = 255

// page is what a client asks of a listing.
type page struct {
	n       int
	last    string
	orderBy string
	order   meta.Order
	query   url.Values
}

var (
	errQuery   = &orlop.Error{Code: orlop.CodeUnsupported, Message: "invalid query", Status: http.StatusBadRequest}
	errOrderBy = &orlop.Error{
		Code: orlop.CodeUnsupported, Message: "invalid orderby: want none, timeasc or timedesc", Status: http.StatusBadRequest,
	}
	errLast = orlop.ErrPaginationInvalid.With("invalid last")
)

// parsePage parses n, last and orderby.
func parsePage(rawQuery string) (p page, err error) {
	if p.query, err = url.ParseQuery(rawQuery); err != nil {
		return p, errQuery
	}
	p.n = defaultPage
	if s := p.query.Get("n"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return p, orlop.ErrPaginationInvalid
		}
		p.n = int(min(n, maxPage))
	}
	p.last = p.query.Get("last")
	if len(p.last) > maxLast || !isPlain(p.last) {
		return p, errLast
	}
	p.orderBy = p.query.Get("orderby")
	switch p.orderBy {
	case "", "none":
	case "timedesc":
		p.order = meta.NewestFirst
	case "timeasc":
		p.order = meta.OldestFirst
	default:
		return p, errOrderBy
	}
	return p, nil
}

// isPlain tells whether a string could be compared with names: it is UTF-8 and
// has no control characters.
func isPlain(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// setNext sets the Link header to the page after last. It is relative, and
// every item of its query has an "=": the Azure CLI takes it apart by them.
func (p page) setNext(h http.Header, path, last string) {
	query := "?last=" + url.QueryEscape(last) + "&n=" + strconv.Itoa(p.n) + "&orderby=" + p.orderBy
	if d := p.query.Get("digest"); d != "" {
		query += "&digest=" + url.QueryEscape(d)
	}
	h.Set("Link", "<"+path+query+`>; rel="next"`)
}
