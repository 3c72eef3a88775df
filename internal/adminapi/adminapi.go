// Package adminapi is the server's side of the management API, under /api/v1/:
// service principals, users and their roles, tokens and scope maps, the admin
// user, how registry and repositories are open, and the registries of the server
// themselves. Package admin has its JSON and the client.
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
	"github.com/orlop/orlop/internal/hosting"
)

// Options are what the API needs.
type Options struct {
	// Authn keeps principals; required.
	Authn *authn.Authenticator
	// Gate authorises and writes errors; required.
	Gate *gate.Gate
	// Registries are those that the server hosts; required.
	Registries *hosting.Registries
	// Garbage is the server's garbage collector; required.
	Garbage Garbage
}

// API is the handler of /api/v1/. It is safe for concurrent use.
type API struct {
	authn      *authn.Authenticator
	gate       *gate.Gate
	registries *hosting.Registries
	garbage    Garbage
	mux        *http.ServeMux
}

// route is one operation. There is none without a right that it needs.
type route struct {
	method  string
	pattern string // under the prefix, as of http.ServeMux
	want    authz.Access
	handle  func(a *API, w http.ResponseWriter, r *http.Request, c *gate.Caller) error
}

// Rights that the operations need.
var (
	managePrincipals = authz.Registry("principals", authz.Manage)
	manageTokens     = authz.Registry("tokens", authz.Manage)
	viewSettings     = authz.Registry("settings", authz.View)
	manageRegistries = authz.Registry("registries", authz.Manage)
)

// routes lists every operation of the API.
var routes = []route{
	{"GET", "service-principals", managePrincipals, (*API).listServicePrincipals},
	{"POST", "service-principals", managePrincipals, (*API).createServicePrincipal},
	{"PATCH", "service-principals/{id}", managePrincipals, (*API).enableServicePrincipal},
	{"DELETE", "service-principals/{id}", managePrincipals, (*API).deleteServicePrincipal},
	{"GET", "service-principals/{id}/credential", managePrincipals, (*API).listCredentials},
	{"POST", "service-principals/{id}/credential", managePrincipals, (*API).resetCredential},
	{"DELETE", "service-principals/{id}/credential/{key}", managePrincipals, (*API).deleteCredential},
	{"GET", "users", managePrincipals, (*API).listUsers},
	{"POST", "users", managePrincipals, (*API).createUser},
	{"PATCH", "users/{name}", managePrincipals, (*API).enableUser},
	{"DELETE", "users/{name}", managePrincipals, (*API).deleteUser},
	{"POST", "users/{name}/password", managePrincipals, (*API).setPassword},
	{"GET", "role-assignments", managePrincipals, (*API).listRoles},
	{"POST", "role-assignments", managePrincipals, (*API).assignRole},
	{"DELETE", "role-assignments", managePrincipals, (*API).unassignRole},

	{"GET", "tokens", manageTokens, (*API).listTokens},
	{"POST", "tokens", manageTokens, (*API).createToken},
	{"GET", "tokens/{name}", manageTokens, (*API).getToken},
	{"PATCH", "tokens/{name}", manageTokens, (*API).updateToken},
	{"DELETE", "tokens/{name}", manageTokens, (*API).deleteToken},
	{"POST", "tokens/{name}/credentials", manageTokens, (*API).generatePassword},
	{"DELETE", "tokens/{name}/credentials/{password}", manageTokens, (*API).deletePassword},
	{"GET", "scope-maps", manageTokens, (*API).listScopeMaps},
	{"POST", "scope-maps", manageTokens, (*API).createScopeMap},
	{"GET", "scope-maps/{name}", manageTokens, (*API).getScopeMap},
	{"PATCH", "scope-maps/{name}", manageTokens, (*API).updateScopeMap},
	{"DELETE", "scope-maps/{name}", manageTokens, (*API).deleteScopeMap},

	{"GET", "admin-user", manageTokens, (*API).getAdminUser},
	{"PATCH", "admin-user", manageTokens, (*API).enableAdminUser},
	{"POST", "admin-user/credentials/{password}", manageTokens, (*API).renewAdminPassword},
	{"GET", "access", viewSettings, (*API).getAccess},
	{"PATCH", "access", manageTokens, (*API).setAnonymousPull},
	{"PUT", "access/role-mode", managePrincipals, (*API).setRoleMode},
	{"GET", "access/repositories/{name...}", manageTokens, (*API).getRepositoryAccess},
	{"PATCH", "access/repositories/{name...}", manageTokens, (*API).setRepositoryAccess},

	{"GET", "registry", viewSettings, (*API).getRegistry},
	{"GET", "registries", viewSettings, (*API).listRegistries},
	{"POST", "registries", manageRegistries, (*API).createRegistry},
	{"DELETE", "registries/{name}", manageRegistries, (*API).deleteRegistry},

	{"GET", "gc", manageRegistries, (*API).getGC},
	{"POST", "gc", manageRegistries, (*API).runGC},
}

// Routes lists every operation of the API as "METHOD path".
func Routes() []string {
	var out []string
	for _, rt := range routes {
		out = append(out, rt.method+" "+admin.Prefix+rt.pattern)
	}
	return out
}

// New returns the handler of /api/v1/.
func New(o Options) *API {
	a := &API{authn: o.Authn, gate: o.Gate, registries: o.Registries, garbage: o.Garbage, mux: http.NewServeMux()}
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
		c, err := a.gate.Authorize(w, r, methods[i].want)
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
