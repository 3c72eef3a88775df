package armapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
)

// operation is one of Resource Manager's. There is none without the right that
// it needs.
type operation struct {
	method string
	path   string // elements in lower case; those in braces stand for this server's own
	action string // by Azure's name
	want   authz.Access
	handle func(a *API, w http.ResponseWriter, r *http.Request, c *client) error
}

// Where the registries of a subscription and of a group are, and this one.
const (
	registries = "providers/microsoft.containerregistry/registries"
	ofSub      = "subscriptions/{subscription}"
	inGroup    = ofSub + "/resourcegroups/{group}"
	oneOf      = inGroup + "/" + registries + "/{registry}"
)

// Rights. To find the registry is the right of everybody who may do anything
// with it, as "az acr login" needs it.
var (
	finding  = authz.Access{}
	viewing  = authz.Registry("settings", authz.View)
	opening  = authz.Registry("tokens", authz.Manage)
	resource = "Microsoft.Resources/"
)

// operations lists all there are.
var operations = []operation{
	{"GET", "tenants", resource + "tenants/read", finding, (*API).listTenants},
	{"GET", "subscriptions", resource + "subscriptions/read", finding, (*API).listSubscriptions},
	{"GET", ofSub, resource + "subscriptions/read", finding, (*API).showSubscription},
	{"GET", ofSub + "/locations", resource + "subscriptions/locations/read", finding, (*API).listLocations},
	{"GET", ofSub + "/resources", resource + "subscriptions/resources/read", finding, (*API).listResources},
	{"GET", ofSub + "/resourcegroups", resource + "subscriptions/resourceGroups/read", finding, (*API).listGroups},
	{"GET", inGroup, resource + "subscriptions/resourceGroups/read", finding, (*API).showGroup},
	{"GET", ofSub + "/" + registries, provider + "/registries/read", finding, (*API).listRegistries},
	{"POST", ofSub + "/providers/microsoft.containerregistry/checknameavailability", provider + "/checkNameAvailability/read", viewing, (*API).checkName},
	{"GET", inGroup + "/" + registries, provider + "/registries/read", finding, (*API).listRegistries},
	{"GET", oneOf, provider + "/registries/read", finding, (*API).showRegistry},
	{"PATCH", oneOf, provider + "/registries/write", opening, (*API).updateRegistry},
	{"GET", oneOf + "/listusages", provider + "/registries/listUsages/read", viewing, (*API).listUsages},
	{"GET", oneOf + "/replications", provider + "/registries/replications/read", viewing, (*API).listNone},
	{"GET", oneOf + "/webhooks", provider + "/registries/webhooks/read", viewing, (*API).listNone},
	{"POST", oneOf + "/listcredentials", provider + "/registries/listCredentials/action", opening, (*API).listCredentials},
	{"POST", oneOf + "/regeneratecredential", provider + "/registries/regenerateCredential/action", opening, (*API).renewCredential},
}

// client is a caller of Resource Manager, and where it called.
type client struct {
	place
	session *authn.Session
	scope   string // the path that was asked for
}

// serveResource answers as Resource Manager: it authenticates, finds the
// operation, authorises, and only then lets the operation look at the request.
func (a *API) serveResource(w http.ResponseWriter, r *http.Request, p place) {
	err := a.manage(w, r, p)
	if err == nil {
		return
	}
	if errors.Is(err, authn.ErrBadCredentials) {
		w.Header().Set("Www-Authenticate", `Bearer authorization_uri="`+p.base+"/"+p.tenant+`",error="invalid_token"`)
		err = errSignIn
	}
	if e, ok := errors.AsType[*resourceError](err); ok {
		refuse(w, e)
		return
	}
	a.o.Gate.WriteError(w, r, err)
}

// manage is serveResource without the errors.
func (a *API) manage(w http.ResponseWriter, r *http.Request, p place) error {
	s, err := a.manager(r, p)
	if err != nil {
		return err
	}
	c := &client{place: p, session: s, scope: strings.TrimSuffix(r.URL.Path, "/")}
	op, err := find(r.Method, c)
	switch {
	case err != nil:
		return err
	case s.Identity.Grants.Empty() && op.path == "subscriptions":
		return writeList(w) // clients say then that there is none
	case s.Identity.Grants.Empty():
		return errNoPath
	case op.want != finding && !s.May(op.want):
		return errForbidden(s.Identity.ID, op.action, c.scope)
	}
	return op.handle(a, w, r, c)
}

// manager tells who shows a management token. One for the data of a registry is
// none.
func (a *API) manager(r *http.Request, p place) (*authn.Session, error) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 || !authn.IsBearer(values[0]) {
		return nil, authn.ErrBadCredentials
	}
	s, err := a.o.Authn.VerifyManagementToken(r.Context(), p.Registry, strings.TrimSpace(values[0][len("Bearer "):]))
	if err == nil && (s.Audience == registryAudience || s.Identity == nil) {
		err = authn.ErrBadCredentials
	}
	return s, err
}

// find finds the operation of a path of this subscription. What is elsewhere,
// or not there, is not told apart.
func find(method string, c *client) (operation, error) {
	known := false
	for _, op := range operations {
		if !matches(op.path, c) {
			continue
		}
		if op.method == method || op.method == http.MethodGet && method == http.MethodHead {
			return op, nil
		}
		known = true
	}
	if known {
		return operation{}, errReadOnly
	}
	return operation{}, errNoPath
}

// matches compares a path with a pattern, in whatever case: Azure takes any.
func matches(pattern string, c *client) bool {
	elements := strings.Split(strings.Trim(c.scope, "/"), "/")
	wanted := strings.Split(pattern, "/")
	if len(elements) != len(wanted) {
		return false
	}
	for i, want := range wanted {
		switch want {
		case "{subscription}":
			want = c.subscription
		case "{group}":
			want = group
		case "{registry}":
			want = c.name
		}
		if !strings.EqualFold(elements[i], want) {
			return false
		}
	}
	return true
}

// maxBody is the longest body that is read, in bytes.
const maxBody = 64 << 10

// readJSON reads a body; clients send more fields than are read.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(v); err != nil {
		return errBody
	}
	return nil
}
