// Package acrapi answers /acr/v1/, the data plane that Azure Container Registry
// adds to the OCI API: repositories, tags and manifests with what is known of
// them, as the Azure CLI and the SDKs of Azure read it.
//
// Shapes and status codes are those of the service, as its clients insist on
// them: lists that are empty are null, times have seven decimals, links are
// relative, deleting answers 202.
package acrapi

import (
	"maps"
	"net/http"
	"slices"
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

// operation is one method of one kind of route: who may, what is done, and the
// status of an answer.
type operation struct {
	needs  authz.Access // without a name: of the repository of the route
	do     handler
	status int
}

func onRepository(a authz.Action) authz.Access { return authz.Repository("", a) }

// table lists every route and method of the API. HEAD is GET.
var table = [...]map[string]operation{
	kindCatalog: {
		"GET": {authz.Registry("catalog", authz.List), listRepositories, http.StatusOK},
	},
	kindRepository: {
		"GET":    {onRepository(authz.MetadataRead), getRepository, http.StatusOK},
		"PATCH":  {onRepository(authz.MetadataWrite), updateRepository, http.StatusOK},
		"DELETE": {onRepository(authz.Delete), deleteRepository, http.StatusAccepted},
	},
	kindTags: {
		"GET": {onRepository(authz.MetadataRead), listTags, http.StatusOK},
	},
	kindTag: {
		"GET":    {onRepository(authz.MetadataRead), getTag, http.StatusOK},
		"PATCH":  {onRepository(authz.MetadataWrite), updateTag, http.StatusOK},
		"DELETE": {onRepository(authz.Delete), deleteTag, http.StatusAccepted},
	},
	kindManifests: {
		"GET": {onRepository(authz.MetadataRead), listManifests, http.StatusOK},
	},
	kindManifest: {
		"GET":   {onRepository(authz.MetadataRead), getManifest, http.StatusOK},
		"PATCH": {onRepository(authz.MetadataWrite), updateManifest, http.StatusOK},
	},
	kindDeletedCatalog: {
		"GET": {authz.Registry("deleted_catalog", authz.List), listDeletedRepositories, http.StatusOK},
	},
	kindDeletedTags: {
		"GET": {onRepository(authz.DeletedRead), listDeletedTags, http.StatusOK},
	},
	kindDeletedManifests: {
		"GET": {onRepository(authz.DeletedRead), listDeletedManifests, http.StatusOK},
	},
	kindDeletedManifest: {
		"POST": {onRepository(authz.DeletedRestore), restoreManifest, http.StatusOK},
	},
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
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op, ok := table[rt.kind][method]
	if !ok {
		w.Header().Set("Allow", allow(rt.kind))
		return orlop.ErrUnsupported.With("method not supported for this path")
	}
	return a.answer(w, r, rt, op)
}

// allow is the value of the Allow header.
func allow(k kind) string {
	methods := slices.Sorted(maps.Keys(table[k]))
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	return strings.Join(methods, ", ")
}

// answer authorises a request before anything of its body is read, lets the
// handler do it, and writes the result; no result is an empty body.
func (a *API) answer(w http.ResponseWriter, r *http.Request, rt route, op operation) error {
	if op.needs.Name == "" {
		op.needs.Name = rt.repo
	}
	caller, err := a.Gate.Authorize(w, r, op.needs)
	if err != nil {
		return err
	}
	actor := registry.Actor{ID: caller.ID, Name: caller.Name}
	c := &call{Request: r, route: rt, caller: caller, reg: a.Engine(caller.RegistryID, actor)}
	result, err := op.do(w.Header(), c)
	if err != nil {
		return err
	}
	if result == nil {
		w.WriteHeader(op.status)
		return nil
	}
	gate.WriteJSON(w, op.status, result)
	return nil
}
