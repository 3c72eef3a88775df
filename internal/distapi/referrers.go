package distapi

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
)

// maxReferrers is how many referrers a page has at most.
const maxReferrers = 1000

// A list of referrers is an image index around the descriptors, which the
// engine hands over as JSON.
var (
	indexHead = []byte(`{"schemaVersion":2,"mediaType":"` + mediaTypeIndex + `","manifests":[`)
	indexTail = []byte("]}")
)

// listReferrers lists the manifests that have the digest as their subject, as
// an image index. That the subject is not there is no error: referrers may come
// before it.
func (a *API) listReferrers(w http.ResponseWriter, r *http.Request, rt *route) error {
	_, reg, err := a.authorize(w, r, rt, authz.Pull)
	if err != nil {
		return err
	}
	p, err := gate.ParsePage(rt.query, maxReferrers, maxReferrers)
	if err != nil {
		return err
	}
	artifactType := p.Query.Get("artifactType")
	list, next, err := reg.ReferrersPage(r.Context(), rt.repo, rt.digest, artifactType, p.Last, max(p.N, 1))
	if err != nil {
		return err
	}
	h := w.Header()
	if artifactType != "" {
		h[headerFiltersApplied] = []string{"artifactType"}
	}
	if next != "" {
		h[headerLink] = []string{referrersLink(rt, artifactType, next, p.N)}
	}
	return writeBody(w, mediaTypeIndex, indexHead, list, indexTail)
}

func referrersLink(rt *route, artifactType, next string, n int) string {
	query := "?last=" + url.QueryEscape(next) + "&n=" + strconv.Itoa(max(n, 1))
	if artifactType != "" {
		query += "&artifactType=" + url.QueryEscape(artifactType)
	}
	return "</v2/" + rt.repo + "/referrers/" + string(rt.digest) + query + `>; rel="next"`
}
