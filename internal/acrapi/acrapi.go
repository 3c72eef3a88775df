// Package acrapi answers /acr/v1/, the data plane that Azure Container Registry
// adds to the OCI API: repositories, tags and manifests with what is known of
// them, as the Azure CLI and the SDKs of Azure read it.
//
// Shapes and status codes are those of the service, as its clients insist on
// them: lists that are empty are null, times have seven decimals, links are
// relative, deleting answers 202. Attributes are shown and cannot be changed
// yet.
package acrapi

import (
	"net/http"
	"strings"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/registry"
)

// Options are what the API needs.
type Options struct {
	// Engine returns the registry with the given id as actor sees it; required.
	Engine func(id int64, actor registry.Actor) *registry.Registry
	// Gate authenticates, authorises and writes errors; required.
	Gate *gate.Gate
}

// API is the handler of /acr/v1/. It is safe for concurrent use.
type API struct {
	Options
}

// New returns the handler of /acr/v1/.
func New(o Options) *API { return &API{Options: o} }

// call is one request: what it names, who asks, and the registry in their hands.
type call struct {
	*http.Request
	route
	caller *gate.Caller
	reg    *registry.Registry
}

// handler answers one method of one kind of route: it returns what goes into
// the body.
type handler func(h http.Header, c *call) (any, error)

// verbs are the handlers of one kind of route; nil where a method is not
// supported.
type verbs struct{ get, delete handler }

// table lists every route and method of the API.
var table = [...]verbs{
	kindCatalog:    {get: listRepositories},
	kindRepository: {get: getRepository, delete: deleteRepository},
	kindTags:       {get: listTags},
	kindTag:        {get: getTag, delete: deleteTag},
	kindManifests:  {get: listManifests},
	kindManifest:   {get: getManifest},
}

// ServeHTTP answers a request under /acr/v1/.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := a.serve(w, r); err != nil {
		a.Gate.WriteError(w, r, err)
	}
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) error {
	rt, err := parseRoute(r.URL.EscapedPath())
	if err != nil {
		return err
	}
	v := table[rt.kind]
	switch {
	case v.get != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return a.answer(w, r, rt, rt.reading(), http.StatusOK, v.get)
	case v.delete != nil && r.Method == http.MethodDelete:
		return a.answer(w, r, rt, authz.Repository(rt.repo, authz.Delete), http.StatusAccepted, v.delete)
	}
	w.Header().Set("Allow", v.allow())
	return orlop.ErrUnsupported.With("method not supported for this path")
}

// allow is the value of the Allow header.
func (v verbs) allow() string {
	methods := []string{http.MethodGet, http.MethodHead}
	if v.delete != nil {
		methods = append(methods, http.MethodDelete)
	}
	return strings.Join(methods, ", ")
}

// answer authorises a request, lets the handler do it, and writes the result;
// no result is an empty body.
func (a *API) answer(w http.ResponseWriter, r *http.Request, rt route, access authz.Access, status int, do handler) error {
	caller, err := a.Gate.Authorize(r, access)
	if err != nil {
		return err
	}
	actor := registry.Actor{ID: caller.ID, Name: caller.Name}
	c := &call{Request: r, route: rt, caller: caller, reg: a.Engine(caller.RegistryID, actor)}
	result, err := do(w.Header(), c)
	if err != nil {
		return err
	}
	if result == nil {
		w.WriteHeader(status)
		return nil
	}
	gate.WriteJSON(w, status, result)
	return nil
}
