package distapi

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/registry"
)

// Options are what the API needs, and its settings.
type Options struct {
	// Engine returns the registry with the given id as actor sees it; required.
	Engine func(id int64, actor registry.Actor) *registry.Registry
	// Gate authenticates, authorises and writes errors; required.
	Gate *gate.Gate
	// Log is for damage found while sending and for clients that went away; nil
	// discards.
	Log *slog.Logger
	// Redirect sends clients to the blob store for large blobs, where that has
	// URLs for them.
	Redirect bool
	// BodyIdle is how long a request body may pause before the request fails;
	// 0 means a minute. A body that keeps coming has no deadline.
	BodyIdle time.Duration
}

// API is the handler of /v2/. It is safe for concurrent use.
type API struct {
	Options
}

// New returns the handler of /v2/.
func New(o Options) *API {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.BodyIdle == 0 {
		o.BodyIdle = time.Minute
	}
	return &API{Options: o}
}

// handler answers one method of one kind of route. It returns an error before
// it has written anything, or answers and returns nil.
type handler func(a *API, w http.ResponseWriter, r *http.Request, rt *route) error

// verbs are the handlers of one kind of route; nil where a method is not
// supported. get answers HEAD as well unless head is set.
type verbs struct {
	get, head, post, put, patch, delete handler
}

// table lists every route and method of the API.
var table = [...]verbs{
	kindPing:      {get: (*API).ping},
	kindCatalog:   {get: (*API).listRepositories},
	kindTags:      {get: (*API).listTags},
	kindManifest:  {get: (*API).getManifest, head: (*API).headManifest, put: (*API).putManifest, delete: (*API).deleteManifest},
	kindBlob:      {get: (*API).getBlob, head: (*API).headBlob, delete: (*API).deleteBlob},
	kindUploads:   {post: (*API).startUpload},
	kindUpload:    {get: (*API).statUpload, patch: (*API).patchUpload, put: (*API).putUpload, delete: (*API).cancelUpload},
	kindReferrers: {get: (*API).listReferrers},

	kindReadBlobs:  {post: (*API).readBlobs},
	kindWriteBlobs: {post: (*API).writeBlobs},
}

// handler returns the handler of a method, or nil.
func (v *verbs) handler(method string) handler {
	switch method {
	case http.MethodGet:
		return v.get
	case http.MethodHead:
		if v.head != nil {
			return v.head
		}
		return v.get
	case http.MethodPost:
		return v.post
	case http.MethodPut:
		return v.put
	case http.MethodPatch:
		return v.patch
	case http.MethodDelete:
		return v.delete
	}
	return nil
}

// allow is the value of the Allow header.
func (v *verbs) allow() string {
	var methods []string
	for _, m := range [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		if v.handler(m) != nil {
			methods = append(methods, m)
		}
	}
	return strings.Join(methods, ", ")
}

// ServeHTTP answers a request under /v2/. Headers that every answer of the
// server has, and a deadline for the body to begin, are set before.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := a.serve(w, r); err != nil {
		a.fail(w, r, err)
	}
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) error {
	w.Header()[headerExtensions] = valueExtensions
	rt, err := parseRoute(r.URL.EscapedPath(), r.URL.RawQuery)
	if err != nil {
		return err
	}
	v := &table[rt.kind]
	handle := v.handler(r.Method)
	if handle == nil {
		w.Header().Set("Allow", v.allow())
		return orlop.ErrUnsupported.With("method not supported for this path")
	}
	return handle(a, w, r, &rt)
}

// fail writes an error. A client that has gone away gets none, and its going
// is not an error of the server. One whose body has stopped looks the same to
// net/http, but may be waiting.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if e, ok := errors.AsType[*orlop.Error](err); r.Context().Err() != nil && (!ok || e != errBodyIdle) {
		a.Log.Debug("client went away", "method", r.Method, "path", r.URL.Path, "error", err)
		panic(http.ErrAbortHandler)
	}
	dropContentHeaders(w.Header())
	a.Gate.WriteError(w, r, err)
}

// authorize demands the right to act on the repository of the route and returns
// the registry as the caller sees it.
func (a *API) authorize(w http.ResponseWriter, r *http.Request, rt *route, action authz.Action) (*gate.Caller, *registry.Registry, error) {
	caller, err := a.Gate.Authorize(w, r, authz.Repository(rt.repo, action))
	if err != nil {
		return nil, nil, err
	}
	return caller, a.engine(caller), nil
}

func (a *API) engine(caller *gate.Caller) *registry.Registry {
	return a.Engine(caller.RegistryID, registry.Actor{ID: caller.ID, Name: caller.Name})
}

// ping tells a client that it speaks to a registry and is signed in. To others
// it is a challenge, also where everybody may pull: clients find the token
// service by it.
func (a *API) ping(w http.ResponseWriter, r *http.Request, _ *route) error {
	if _, err := a.Gate.Authorize(w, r); err != nil {
		return err
	}
	return writeBody(w, mediaTypeJSON, []byte("{}"))
}
