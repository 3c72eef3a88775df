package acrapi

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

// Page sizes: what a client gets that does not say, and at most.
const (
	defaultPage = 100
	maxPage     = 1000
)

// page is what a client asks of a listing.
type page struct {
	gate.Page
	orderBy string
	order   meta.Order
}

var errOrderBy = &orlop.Error{
	Code: orlop.CodeUnsupported, Message: "invalid orderby: want none, timeasc or timedesc", Status: http.StatusBadRequest,
}

// parsePage parses n, last and orderby.
func parsePage(rawQuery string) (p page, err error) {
	if p.Page, err = gate.ParsePage(rawQuery, defaultPage, maxPage); err != nil {
		return p, err
	}
	p.orderBy = p.Query.Get("orderby")
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

// setNext sets the Link header to the page after last. It is relative, and
// every item of its query has an "=": the Azure CLI takes it apart by them.
func (p page) setNext(h http.Header, path, last string) {
	query := "?last=" + url.QueryEscape(last) + "&n=" + strconv.Itoa(p.N) + "&orderby=" + p.orderBy
	if d := p.Query.Get("digest"); d != "" {
		query += "&digest=" + url.QueryEscape(d)
	}
	h.Set("Link", "<"+path+query+`>; rel="next"`)
}
