// Package adminapi is the server's side of the management API, under /api/v1/:
// service principals and users. Package admin has its JSON and the client.
package adminapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/admin"
	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
)

// Options are what the API needs.
type Options struct {
	// Authn keeps principals; required.
	Authn *authn.Authenticator
	// Gate authorises and writes errors; required.
	Gate *gate.Gate
}

// API is the handler of /api/v1/. It is safe for concurrent use.
type API struct {
	authn *authn.Authenticator
	gate  *gate.Gate
	mux   *http.ServeMux
}

// route is one operation. There is none without a right that it needs.
type route struct {
	method  string
	pattern string // under the prefix, as of http.ServeMux
	want    authz.Access
	handle  func(a *API, w http.ResponseWriter, r *http.Request, c *gate.Caller) error
}

var managePrincipals = authz.Registry("principals", authz.Manage)

// routes lists every operation of the API.
var routes = []route{
	{"GET", "service-principals", managePrincipals, (*API).listServicePrincipals},
	{"POST", "service-principals", managePrincipals, (*API).createServicePrincipal},
	{"DELETE", "service-principals/{id}", managePrincipals, (*API).deleteServicePrincipal},
	{"POST", "service-principals/{id}/credential", managePrincipals, (*API).resetCredential},
	{"GET", "users", managePrincipals, (*API).listUsers},
	{"POST", "users", managePrincipals, (*API).createUser},
	{"DELETE", "users/{name}", managePrincipals, (*API).deleteUser},
	{"POST", "users/{name}/password", managePrincipals, (*API).setPassword},
}

// New returns the handler of /api/v1/.
func New(o Options) *API {
	a := &API{authn: o.Authn, gate: o.Gate, mux: http.NewServeMux()}
	patterns := map[string][]route{}
	for _, rt := range routes {
		patterns[rt.pattern] = append(patterns[rt.pattern], rt)
	}
	for pattern, methods := range patterns {
		a.mux.Handle(admin.Prefix+pattern, a.choose(methods))
	}
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { a.gate.WriteError(w, r, gate.ErrNoPath) })
	return a
}

// ServeHTTP answers a request under /api/v1/.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// choose returns the handler of one path: it finds the method, authorises, and
// only then lets the operation look at the request.
func (a *API) choose(methods []route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(methods, func(rt route) bool { return rt.method == r.Method })
		if i < 0 {
			w.Header().Set("Allow", allow(methods))
			a.gate.WriteError(w, r, orlop.ErrUnsupported)
			return
		}
		c, err := a.gate.Authorize(r, methods[i].want)
		if err == nil {
			err = methods[i].handle(a, w, r, c)
		}
		if err != nil {
			a.gate.WriteError(w, r, err)
		}
	}
}

func allow(methods []route) string {
	var names []string
	for _, rt := range methods {
		names = append(names, rt.method)
	}
	return strings.Join(names, ", ")
}
