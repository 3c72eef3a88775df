package armapi

import (
	"net/http"
	"strings"

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

// Where the registries of a subscription and of a group are, and one of them.
const (
	registries = "providers/microsoft.containerregistry/registries"
	ofSub      = "subscriptions/{subscription}"
	inGroup    = ofSub + "/resourcegroups/{group}"
	oneOf      = inGroup + "/" + registries + "/{registry}"
)

// Rights, on the registry that the path names, or else on the caller's own. To
// find a registry is the right of everybody who may do anything with it, as "az
// acr login" needs it.
var (
	finding  = authz.Access{}
	viewing  = authz.Registry("settings", authz.View)
	opening  = authz.Registry("tokens", authz.Manage)
	owning   = authz.Registry("registries", authz.Manage)
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
	{"PUT", oneOf, provider + "/registries/write", owning, (*API).putRegistry},
	{"PATCH", oneOf, provider + "/registries/write", opening, (*API).updateRegistry},
	{"DELETE", oneOf, provider + "/registries/delete", owning, (*API).deleteRegistry},
	{"GET", oneOf + "/listusages", provider + "/registries/listUsages/read", viewing, (*API).listUsages},
	{"GET", oneOf + "/replications", provider + "/registries/replications/read", viewing, (*API).listNone},
	{"GET", oneOf + "/webhooks", provider + "/registries/webhooks/read", viewing, (*API).listNone},
	{"POST", oneOf + "/listcredentials", provider + "/registries/listCredentials/action", opening, (*API).listCredentials},
	{"POST", oneOf + "/regeneratecredential", provider + "/registries/regenerateCredential/action", opening, (*API).renewCredential},
	{"POST", oneOf + "/generatecredentials", provider + "/registries/generateCredentials/action", opening, (*API).generateCredentials},
	{"GET", oneOf + "/tokens", provider + "/registries/tokens/read", opening, (*API).listTokens},
	{"GET", oneOf + "/tokens/{name}", provider + "/registries/tokens/read", opening, (*API).showToken},
	{"PUT", oneOf + "/tokens/{name}", provider + "/registries/tokens/write", opening, (*API).putToken},
	{"PATCH", oneOf + "/tokens/{name}", provider + "/registries/tokens/write", opening, (*API).updateToken},
	{"DELETE", oneOf + "/tokens/{name}", provider + "/registries/tokens/delete", opening, (*API).deleteToken},
	{"GET", oneOf + "/scopemaps", provider + "/registries/scopeMaps/read", opening, (*API).listScopeMaps},
	{"GET", oneOf + "/scopemaps/{name}", provider + "/registries/scopeMaps/read", opening, (*API).showScopeMap},
	{"PUT", oneOf + "/scopemaps/{name}", provider + "/registries/scopeMaps/write", opening, (*API).putScopeMap},
	{"PATCH", oneOf + "/scopemaps/{name}", provider + "/registries/scopeMaps/write", opening, (*API).updateScopeMap},
	{"DELETE", oneOf + "/scopemaps/{name}", provider + "/registries/scopeMaps/delete", opening, (*API).deleteScopeMap},
}

// named is what the path of a request names.
type named struct {
	registry string // "" if it names none
	name     string // of what is in the registry
}

// find finds the operation of a path of this subscription. What is elsewhere,
// or not there, is not told apart.
func find(method, path string, p *place) (operation, named, error) {
	known := false
	for _, op := range operations {
		names, ok := matches(op.path, path, p)
		if !ok {
			continue
		}
		if op.method == method || op.method == http.MethodGet && method == http.MethodHead {
			return op, names, nil
		}
		known = true
	}
	if known {
		return operation{}, named{}, errReadOnly
	}
	return operation{}, named{}, errNoPath
}

// matches compares a path with a pattern, in whatever case: Azure takes any.
func matches(pattern, path string, p *place) (named, bool) {
	var names named
	elements := strings.Split(strings.Trim(path, "/"), "/")
	wanted := strings.Split(pattern, "/")
	if len(elements) != len(wanted) {
		return names, false
	}
	for i, want := range wanted {
		switch want {
		case "{registry}":
			names.registry = elements[i]
			continue
		case "{name}":
			names.name = elements[i]
			continue
		case "{subscription}":
			want = p.subscription
		case "{group}":
			want = group
		}
		if !strings.EqualFold(elements[i], want) {
			return names, false
		}
	}
	return names, true
}
