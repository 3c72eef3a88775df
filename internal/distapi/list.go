package distapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
)

// maxPage is how many names a page has at most, and if the client does not say.
const maxPage = 10_000

// setNext sets the Link header to the next page. It is relative, and every item
// of its query has an "=", which clients of Azure insist on.
func setNext(h http.Header, path, last string, n int) {
	h[headerLink] = []string{"<" + path + "?last=" + url.QueryEscape(last) + "&n=" + strconv.Itoa(n) + `>; rel="next"`}
}

// listTags lists the tags of a repository in byte order.
func (a *API) listTags(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Pull)
	if err != nil {
		return err
	}
	p, err := gate.ParsePage(rt.query, maxPage, maxPage)
	if err != nil {
		return err
	}
	// With n=0 one tag is asked for as well, to learn whether the repository is
	// there.
	tags, more, err := reg.TagsPage(r.Context(), rt.repo, p.Last, max(p.N, 1))
	if err != nil {
		return err
	}
	if p.N == 0 {
		tags, more = nil, false
	}
	if more {
		setNext(w.Header(), "/v2/"+rt.repo+"/tags/list", tags[len(tags)-1], p.N)
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
	caller, err := a.Gate.Authorize(w, r, authz.Registry("catalog", authz.List))
	if err != nil {
		return err
	}
	p, err := gate.ParsePage(rt.query, maxPage, maxPage)
	if err != nil {
		return err
	}
	var names []string
	var more bool
	if p.N > 0 {
		names, more, err = a.engine(caller).RepositoriesPage(r.Context(), p.Last, p.N, caller.Sees)
		if err != nil {
			return err
		}
	}
	if more {
		setNext(w.Header(), "/v2/_catalog", names[len(names)-1], p.N)
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
