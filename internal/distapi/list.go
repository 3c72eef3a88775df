package distapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authz"
)

// maxPage is how many names a page has at most, and if the client does not say.
const maxPage = 10_000

// page is what a client asks of a listing.
type page struct {
	n     int
	last  string
	query url.Values
}

var errLast = orlop.ErrPaginationInvalid.With("invalid last")

// maxLast is the longest name to go on after, in bytes; no name is longer.
const maxLast = 255

// parsePage parses n and last. An n above limit, or none, becomes limit; the
// Link header then leads to the rest.
func parsePage(rawQuery string, limit int) (page, error) {
	p := page{n: limit}
	if rawQuery == "" {
		return p, nil
	}
	var err error
	if p.query, err = url.ParseQuery(rawQuery); err != nil {
		return p, errQuery
	}
	if s := p.query.Get("n"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return p, orlop.ErrPaginationInvalid
		}
		p.n = int(min(n, int64(limit)))
	}
	p.last = p.query.Get("last")
	if len(p.last) > maxLast || !isPlain(p.last) {
		return p, errLast
	}
	return p, nil
}

// isPlain tells whether a string could be compared with names: it is UTF-8 and
// has no control characters.
func isPlain(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// setNext sets the Link header to the next page. It is relative, and every item
// of its query has an "=", which clients of Azure insist on.
func setNext(h http.Header, path, last string, n int) {
	h[headerLink] = []string{"<" + path + "?last=" + url.QueryEscape(last) + "&n=" + strconv.Itoa(n) + `>; rel="next"`}
}

// listTags lists the tags of a repository in byte order.
func (a *API) listTags(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(r, rt, authz.Pull)
	if err != nil {
		return err
	}
	p, err := parsePage(rt.query, maxPage)
	if err != nil {
		return err
	}
	// With n=0 one tag is asked for as well, to learn whether the repository is
	// there.
	tags, more, err := reg.TagsPage(r.Context(), rt.repo, p.last, max(p.n, 1))
	if err != nil {
		return err
	}
	if p.n == 0 {
		tags, more = nil, false
	}
	if more {
		setNext(w.Header(), "/v2/"+rt.repo+"/tags/list", tags[len(tags)-1], p.n)
	}
	if tags == nil {
		tags = []string{}
	}
	return writeJSON(w, struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{rt.repo, tags})
}

// listRepositories lists the repositories that the caller may see.
func (a *API) listRepositories(w http.ResponseWriter, r *http.Request, rt *route) error {
	caller, err := a.Gate.Authorize(r, authz.Registry("catalog", authz.List))
	if err != nil {
		return err
	}
	p, err := parsePage(rt.query, maxPage)
	if err != nil {
		return err
	}
	var names []string
	var more bool
	if p.n > 0 {
		names, more, err = a.engine(caller).RepositoriesPage(r.Context(), p.last, p.n, caller.Sees)
		if err != nil {
			return err
		}
	}
	if more {
		setNext(w.Header(), "/v2/_catalog", names[len(names)-1], p.n)
	}
	// No repositories are null, not [], as in ACR.
	return writeJSON(w, struct {
		Repositories []string `json:"repositories"`
	}{names})
}

func writeJSON(w http.ResponseWriter, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeBody(w, mediaTypeJSON, body)
}
