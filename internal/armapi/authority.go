package armapi

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/orlop/orlop/internal/gate"
)

// authorityPaths are the paths of the directory after the tenant, in the
// spelling of either version of its protocol.
var authorityPaths = map[string]func(*API, http.ResponseWriter, *http.Request, place, string){
	".well-known/openid-configuration":      (*API).openidConfiguration,
	"v2.0/.well-known/openid-configuration": (*API).openidConfiguration,
	"oauth2/token":                          (*API).token,
	"oauth2/v2.0/token":                     (*API).token,
	"discovery/instance":                    (*API).discoverInstance,
}

// serveAuthority answers for the directory.
func (a *API) serveAuthority(w http.ResponseWriter, r *http.Request, p place, tenant, rest string) {
	handle := authorityPaths[rest]
	switch {
	case handle == nil:
		a.o.Gate.WriteError(w, r, gate.ErrNoPath)
	case !p.knowsTenant(tenant):
		fail(w, errTenant)
	default:
		handle(a, w, r, p, tenant)
	}
}

// openidConfiguration describes the directory (OpenID Connect Discovery 1.0,
// section 3). Both versions of the protocol have their own token endpoint.
func (a *API) openidConfiguration(w http.ResponseWriter, r *http.Request, p place, tenant string) {
	if !only(w, r, http.MethodGet) {
		return
	}
	issuer, endpoints := p.base+"/"+p.tenant+"/v2.0", p.base+"/"+tenant+"/oauth2/v2.0"
	if !strings.Contains(r.URL.Path, "/v2.0/") {
		issuer, endpoints = p.base+"/"+tenant, p.base+"/"+tenant+"/oauth2"
	}
	gate.WriteJSON(w, http.StatusOK, map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                endpoints + "/authorize", // clients want one named; nobody signs in there
		"token_endpoint":                        endpoints + "/token",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"grant_types_supported":                 []string{"client_credentials"},
		"response_types_supported":              []string{"token"},
		"subject_types_supported":               []string{"public"},
	})
}

// discoverInstance tells a client that asked the directory of its cloud for an
// authority that there is this one only.
func (a *API) discoverInstance(w http.ResponseWriter, r *http.Request, p place, _ string) {
	if !only(w, r, http.MethodGet) {
		return
	}
	host := p.LoginServer
	if u, err := url.Parse(r.URL.Query().Get("authorization_endpoint")); err == nil && u.Host != "" && !strings.EqualFold(u.Host, host) {
		fail(w, errInstance)
		return
	}
	gate.WriteJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": p.base + "/" + p.tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []any{map[string]any{
			"preferred_network": host, "preferred_cache": host, "aliases": []string{host},
		}},
	})
}

// serveMetadata tells "az cloud register" where everything is. That of 2015
// wants an object, those since 2018 a list; the keys are as each spells them.
func (a *API) serveMetadata(w http.ResponseWriter, r *http.Request, p place) {
	if !only(w, r, http.MethodGet) {
		return
	}
	if _, rest := cut(r.URL.Path); rest != "endpoints" {
		a.o.Gate.WriteError(w, r, gate.ErrNoPath)
		return
	}
	_, suffix, _ := strings.Cut(p.LoginServer, RegistryName(p.LoginServer))
	gate.WriteJSON(w, http.StatusOK, map[string]any{
		"name":            "orlop",
		"resourceManager": p.base,
		"galleryEndpoint": p.base,
		"graphEndpoint":   p.base,
		"portalEndpoint":  p.base,
		"graphAudience":   p.base,
		"authentication":  map[string]any{"loginEndpoint": p.base + "/adfs", "audiences": []string{p.base}, "tenant": p.tenant},
		"suffixes":        map[string]any{"acrLoginServer": strings.TrimPrefix(suffix, ".")},
	})
}

// only refuses other methods.
func only(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method || method == http.MethodGet && r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", method)
	fail(w, &directoryError{status: http.StatusMethodNotAllowed, code: "invalid_request", number: 900561,
		text: "This endpoint only accepts " + method + " requests."})
	return false
}
