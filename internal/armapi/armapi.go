// Package armapi is what the Azure CLI and Azure's SDKs need around a registry:
// a directory that gives tokens to applications, as Microsoft Entra ID does
// (OAuth 2.0 client credentials, RFC 6749 section 4.4), a managed-identity
// endpoint, and of Azure Resource Manager the part by which "az acr" finds
// registries, makes and deletes them, and manages what they have: the admin
// user, tokens with scope maps, policies.
//
// authority.go describes the directory, token.go and msi.go give its tokens;
// operations.go lists what Resource Manager does, manage.go decides who may, and
// resources.go, registry.go, create.go, update.go, credentials.go, tokens.go and
// scopemaps.go do it. place.go tells what is where.
package armapi

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/hosting"
)

// Options are what the API needs, and its settings.
type Options struct {
	// Authn tells who asks, and issues tokens; required.
	Authn *authn.Authenticator
	// Gate knows hosts; required.
	Gate *gate.Gate
	// Registries are those that the server hosts; required.
	Registries *hosting.Registries
	// Size tells how many bytes a registry keeps; nil: none.
	Size func(ctx context.Context, registry int64) (int64, error)
	// SoftDeleteDays is for how many days what is deleted can be restored; 0: it
	// cannot.
	SoftDeleteDays int
	// ManagedIdentity is the application id of the service principal whose
	// tokens the managed-identity endpoint gives; "" turns the endpoint off.
	ManagedIdentity string
	// ManagedIdentitySecret is what callers of that endpoint must show.
	ManagedIdentitySecret string
}

// API is the handler of the paths that Serves tells. It is safe for concurrent
// use.
type API struct {
	o Options
}

// New returns the handler.
func New(o Options) *API {
	if o.Size == nil {
		o.Size = func(context.Context, int64) (int64, error) { return 0, nil }
	}
	return &API{o: o}
}

// ServeHTTP answers a request to a path that Serves tells. A path of the
// directory begins with a tenant of the client's choosing.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	site, err := a.o.Gate.Site(r)
	if err != nil {
		a.o.Gate.WriteError(w, r, err)
		return
	}
	p := a.place(site)
	switch first, rest := cut(r.URL.Path); {
	case first == "msi":
		a.serveIdentity(w, r, p, rest)
	case strings.EqualFold(first, "subscriptions"), strings.EqualFold(first, "tenants"):
		a.serveResource(w, r, p)
	case first == "metadata":
		a.serveMetadata(w, r, p)
	default:
		a.serveAuthority(w, r, p, first, rest)
	}
}

// Serves tells whether a path is this API's.
func Serves(path string) bool {
	first, rest := cut(path)
	switch {
	case strings.EqualFold(first, "subscriptions"), strings.EqualFold(first, "tenants") && rest == "":
		return true
	case first == "msi", first == "metadata":
		return rest == "token" || rest == "endpoints"
	}
	return first != "" && authorityPaths[rest] != nil
}

// cut splits a path into its first element and the rest, without slashes
// around them.
func cut(path string) (first, rest string) {
	first, rest, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first, strings.TrimSuffix(rest, "/")
}

// same compares secrets in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
