package distapi

import (
	"net/http"
	"time"

	"github.com/orlop/orlop/internal/registry"
)

// redirectLife is how long a URL of the blob store is good that a client is sent
// to. The garbage collector leaves an object longer than that after its last
// look-up.
const redirectLife = 10 * time.Minute

// redirect sends the client to the blob store for a blob, and is false if it has
// to be sent from here. Whoever has the URL has the blob, so that it is made
// after all questions of permission, and never logged.
//
// A range that depends on our entity tag, which the store does not know, and
// several ranges, which few stores do, are for us.
func (a *API) redirect(w http.ResponseWriter, r *http.Request, rt *route, reg *registry.Registry, ranges int) (bool, error) {
	if !a.Redirect || r.Method != http.MethodGet || ranges > 1 || len(r.Header[headerIfRange]) > 0 {
		return false, nil
	}
	url, desc, err := reg.BlobURL(r.Context(), rt.repo, rt.digest, redirectLife)
	if err != nil || url == "" {
		return false, err
	}
	h := w.Header()
	h[headerLocation] = []string{url}
	h[headerDigest] = []string{string(desc.Digest)}
	h[headerContentLength] = []string{"0"}
	h["Cache-Control"] = []string{"no-store"}
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true, nil
}
