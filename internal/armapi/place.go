package armapi

import (
	"net"
	"net/netip"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

const (
	group    = "orlop" // the only resource group
	location = "local" // the only region
	provider = "Microsoft.ContainerRegistry"
)

// place is where a request has arrived, and the tenant and subscription that it
// is in.
type place struct {
	gate.Site

	base         string // URL of the server without a slash at the end
	tenant       string // UUID
	subscription string // UUID
}

// place finds out. The ids are the same at every start; one server is one
// tenant with one subscription, which all its hosts show.
func (a *API) place(site gate.Site) place {
	tenant := a.o.Authn.Tenant()
	return place{Site: site, base: site.Scheme + "://" + site.LoginServer, tenant: tenant, subscription: SubscriptionID(tenant)}
}

// SubscriptionID is the id of the only subscription of a tenant.
func SubscriptionID(tenant string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("orlop:subscription:"+tenant)).String()
}

// view is a registry as it is seen from a place. It is called by the first label
// of its login server: it is by the host that clients reach it, and the rest of
// the host is the suffix that they put after the name.
type view struct {
	meta.Registry
	name        string
	loginServer string // HOST[:PORT]
}

// view is false for a registry that no host leads to.
func (a *API) view(p place, reg meta.Registry) (view, bool) {
	login := a.o.Registries.LoginServer(reg, p.LoginServer)
	return view{reg, RegistryName(login), login}, login != ""
}

// registryName is what Azure takes: its clients refuse others.
var registryName = regexp.MustCompile(`^[a-zA-Z0-9]{5,50}$`)

// RegistryName is the name of the registry at a login server, HOST[:PORT]. It is
// a usable one at every host, so that also a server without a name of its own
// can be looked at, but then the name is not part of the host.
func RegistryName(loginServer string) string {
	host := loginServer
	if h, _, err := net.SplitHostPort(loginServer); err == nil {
		host = h
	}
	label, _, _ := strings.Cut(host, ".")
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || !registryName.MatchString(label) {
		return "registry"
	}
	return label
}

// groupID is the path of the resource group.
func (p *place) groupID() string {
	return "/subscriptions/" + p.subscription + "/resourceGroups/" + group
}

// registryID is the path of a registry.
func (p *place) registryID(name string) string {
	return p.groupID() + "/providers/" + provider + "/registries/" + name
}

// knowsTenant tells whether a path names this tenant. It does also by the words
// that stand for the caller's own, and by "adfs", the authority of a directory
// without tenants, for which Azure's clients ask no server of Azure first.
func (p *place) knowsTenant(name string) bool {
	switch strings.ToLower(name) {
	case p.tenant, "adfs", "common", "organizations":
		return true
	}
	return false
}
