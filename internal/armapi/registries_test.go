package armapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/hosting"
	"github.com/orlop/orlop/internal/meta"
)

// at is the path of something in a registry.
func (e *env) at(registry, rest string) string {
	return strings.Replace(e.path(oneOf), "MyRegistry", registry, 1) + rest
}

// another makes a registry through Resource Manager.
func (e *env) another(token, name string) meta.Registry {
	e.t.Helper()
	w, body := e.send(http.MethodPut, e.at(name, "?api-version=2022-02-01-preview"), token, `{"location":"local","sku":{"name":"Premium"},"properties":{"adminUserEnabled":true}}`)
	if w.Code != http.StatusOK || body["properties"].(map[string]any)["loginServer"] != strings.ToLower(name)+".example:5443" {
		e.t.Fatalf("%d %v", w.Code, body)
	}
	reg, err := e.hosts.Named(e.t.Context(), strings.ToLower(name))
	if err != nil {
		e.t.Fatal(err)
	}
	return reg
}

func (e *env) listed(path, token string) string {
	e.t.Helper()
	w, body := e.get(path, token)
	if w.Code != http.StatusOK {
		e.t.Fatalf("%s: %d %v", path, w.Code, body)
	}
	var names []string
	for _, item := range body["value"].([]any) {
		names = append(names, item.(map[string]any)["name"].(string))
	}
	return strings.Join(names, " ")
}

// TestSeveralRegistries: an owner of the server makes a registry, sees all and
// deletes it; others see their own, and learn nothing of the rest.
func TestSeveralRegistries(t *testing.T) {
	e := newEnv(t, nil)
	owner := e.signIn(e.application(authz.Owner, ""))
	reg := e.another(owner, "Another")
	app, secret, err := e.ident.CreateServicePrincipal(t.Context(), reg.ID, "ci", []meta.RoleAssignment{{Role: authz.Owner}})
	if err != nil {
		t.Fatal(err)
	}
	there := e.signIn(app.ID, secret) // the directory is one for all registries
	here := e.signIn(e.application(authz.Contributor, ""))
	for token, want := range map[string]string{owner: "another myregistry", there: "another", here: "myregistry"} {
		for _, path := range []string{ofSub + "/resources", ofSub + "/" + registries, inGroup + "/" + registries} {
			if got := e.listed(e.path(path), token); got != want {
				t.Errorf("%s: %s, not %s", path, got, want)
			}
		}
	}
	for path, token := range map[string]string{e.at("myregistry", ""): there, e.at("another", ""): here, e.at("nobody", ""): owner} {
		for _, rest := range []string{"", "/tokens", "/listCredentials"} {
			method := http.MethodGet
			if rest == "/listCredentials" {
				method = http.MethodPost
			}
			if w, body := e.send(method, path+rest, token, ""); w.Code != http.StatusNotFound || errorCode(body) != "ResourceNotFound" {
				t.Errorf("%s%s: %d %v", path, rest, w.Code, body)
			}
		}
	}
	for _, op := range operations { // threat S4
		if !strings.Contains(op.path, "{registry}") {
			continue
		}
		if w, body := e.send(op.method, e.path(op.path), there, bodyFor(op)); w.Code != http.StatusNotFound || errorCode(body) != "ResourceNotFound" {
			t.Errorf("%s %s as the owner of another registry: %d %v", op.method, op.path, w.Code, body)
		}
	}
	// Its owner manages it, and makes and deletes none.
	if w, body := e.send(http.MethodPatch, e.at("another", ""), there, `{"properties":{"anonymousPullEnabled":true}}`); w.Code != http.StatusOK {
		t.Errorf("%d %v", w.Code, body)
	}
	for method, path := range map[string]string{http.MethodPut: e.at("further", ""), http.MethodDelete: e.at("another", "")} {
		if w, body := e.send(method, path, there, "{}"); w.Code != http.StatusForbidden {
			t.Errorf("%s as the owner of one: %d %v", method, w.Code, body)
		}
	}
	if access, err := e.ident.Access(t.Context(), meta.DefaultRegistry); err != nil || access.AnonymousPull {
		t.Errorf("the default registry was opened: %v", err)
	}
	_, credentials := e.send(http.MethodPost, e.at("another", "/listCredentials"), owner, "")
	if credentials["username"] != "another" {
		t.Error(credentials)
	}
	if w, body := e.send(http.MethodDelete, e.at("another", ""), owner, ""); w.Code != http.StatusOK {
		t.Errorf("%d %v", w.Code, body)
	}
	if w, _ := e.get("/subscriptions", there); w.Code != http.StatusUnauthorized {
		t.Errorf("who was of a deleted registry: %d", w.Code)
	}
	if w, _ := e.send(http.MethodDelete, e.at("another", ""), owner, ""); w.Code != http.StatusNotFound {
		t.Errorf("deleted twice: %d", w.Code)
	}
	for name, want := range map[string]int{"abc": http.StatusBadRequest, "has-dash": http.StatusBadRequest} {
		if w, body := e.send(http.MethodPut, e.at(name, ""), owner, "{}"); w.Code != want {
			t.Errorf("%s: %d %v", name, w.Code, body)
		}
	}
}

// TestNoDomain: without a domain there is the one registry that every host leads
// to.
func TestNoDomain(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.Registries = noDomain(t, o.Registries) })
	owner := e.signIn(e.application(authz.Owner, ""))
	if w, body := e.send(http.MethodPut, e.at("another", ""), owner, "{}"); w.Code != http.StatusConflict {
		t.Errorf("%d %v", w.Code, body)
	}
}

// noDomain is the same registries without domains.
func noDomain(t *testing.T, r *hosting.Registries) *hosting.Registries {
	t.Helper()
	all, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	without, err := hosting.New(t.Context(), fixed(all), hosting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return without
}

// fixed are registries that nobody changes.
type fixed []meta.Registry

var errFixed = errors.New("nothing is to be changed")

func (f fixed) Registries(context.Context) ([]meta.Registry, error) { return f, nil }
func (fixed) RegistryNamed(context.Context, string) (meta.Registry, bool, error) {
	return meta.Registry{}, false, errFixed
}
func (fixed) CreateRegistry(context.Context, string) (meta.Registry, bool, error) {
	return meta.Registry{}, false, errFixed
}
func (fixed) RenameRegistry(context.Context, int64, string) (bool, error) { return false, errFixed }
func (fixed) DeleteRegistry(context.Context, int64) (bool, error)         { return false, errFixed }
func (fixed) Shared() bool                                                { return false }

// TestTokensAndScopeMaps goes the way of "az acr token" and "az acr scope-map".
func TestTokensAndScopeMaps(t *testing.T) {
	e := newEnv(t, nil)
	owner := e.signIn(e.application(authz.Owner, ""))
	do := func(method, rest, body string, want int) map[string]any {
		t.Helper()
		w, out := e.send(method, e.at("myregistry", rest), owner, body)
		if w.Code != want {
			t.Errorf("%s %s: %d %v", method, rest, w.Code, out)
		}
		return out
	}
	made := do("PUT", "/scopeMaps/readers", `{"properties":{"actions":["repositories/samples/*/content/read"],"description":"x"}}`, 200)
	id := made["id"].(string)
	if p := made["properties"].(map[string]any); p["type"] != "UserDefined" || p["provisioningState"] != "Succeeded" || p["description"] != "x" {
		t.Error(made)
	}
	do("PATCH", "/scopeMaps/readers", `{"properties":{"actions":["repositories/samples/*/content/read","repositories/samples/*/metadata/read"]}}`, 200)
	if p := do("GET", "/scopeMaps/readers", "", 200)["properties"].(map[string]any); len(p["actions"].([]any)) != 2 || p["description"] != "x" {
		t.Error(p)
	}
	token := do("PUT", "/tokens/robot", `{"properties":{"scopeMapId":"`+strings.ToUpper(id[:20])+id[20:]+`","status":"enabled"}}`, 200)
	p := token["properties"].(map[string]any)
	if p["scopeMapId"] != id || p["status"] != "enabled" || p["credentials"].(map[string]any)["passwords"] == nil {
		t.Error(token)
	}
	tokenID := token["id"].(string)
	out := do("POST", "/generateCredentials", `{"tokenId":"`+tokenID+`"}`, 200)
	passwords := out["passwords"].([]any)
	if out["username"] != "robot" || len(passwords) != 2 {
		t.Fatal(out)
	}
	signIn := func(i int) error {
		_, err := e.ident.SignIn(t.Context(), meta.DefaultRegistry, nobody, "robot", passwords[i].(map[string]any)["value"].(string))
		return err
	}
	do("PATCH", "/tokens/robot", `{"properties":{"credentials":{"passwords":[{"name":"password2"}]}}}`, 200)
	if err := signIn(0); !errors.Is(err, authn.ErrBadCredentials) {
		t.Errorf("a password that was deleted: %v", err)
	}
	if err := signIn(1); err != nil {
		t.Error(err)
	}
	do("PATCH", "/tokens/robot", `{"properties":{"status":"disabled"}}`, 200)
	if err := signIn(1); !errors.Is(err, authn.ErrBadCredentials) {
		t.Errorf("disabled: %v", err)
	}
	do("DELETE", "/scopeMaps/readers", "", 409)
	do("DELETE", "/tokens/robot", "", 200)
	do("DELETE", "/tokens/robot", "", 204)
	do("DELETE", "/scopeMaps/readers", "", 200)
	if names := e.listed(e.at("myregistry", "/scopeMaps"), owner); !strings.HasPrefix(names, "_repositories_admin") {
		t.Error(names)
	}
	for _, c := range []struct {
		method, rest, body string
		want               int
	}{
		{"PUT", "/scopeMaps/bad", `{"properties":{"actions":["gateway/x/config/read"]}}`, 400},
		{"PUT", "/scopeMaps/bad", `{"properties":{"actions":[]}}`, 400},
		{"PUT", "/scopeMaps/_repositories_pull", `{"properties":{"actions":["repositories/*/content/read"]}}`, 400},
		{"PUT", "/tokens/other", `{"properties":{"scopeMapId":"/subscriptions/x/scopeMaps/readers"}}`, 400},
		{"PUT", "/tokens/other", `{"properties":{"scopeMapId":"` + id + `"}}`, 404},
		{"PUT", "/tokens/x", `{"properties":{"scopeMapId":"` + strings.Replace(id, "readers", "_repositories_pull", 1) + `"}}`, 400},
		{"PUT", "/tokens/other", `{"properties":{"scopeMapId":"` + strings.Replace(id, "readers", "_repositories_pull", 1) + `","status":"maybe"}}`, 400},
		{"POST", "/generateCredentials", `{"tokenId":"` + tokenID + `"}`, 404},
		{"PATCH", "/tokens/other", `{}`, 404},
	} {
		do(c.method, c.rest, c.body, c.want)
	}
}

// TestPolicies: what is set shows and counts, and what cannot be set is refused.
func TestPolicies(t *testing.T) {
	e := newEnv(t, func(o *Options) { o.SoftDeleteDays = 7 })
	owner := e.signIn(e.application(authz.Owner, ""))
	patch := func(body string) (int, map[string]any) {
		w, out := e.send(http.MethodPatch, e.at("myregistry", ""), owner, `{"properties":`+body+`}`)
		p, _ := out["properties"].(map[string]any)["policies"].(map[string]any)
		return w.Code, p
	}
	code, all := patch(`{}`)
	if code != http.StatusOK || all["softDeletePolicy"].(map[string]any)["retentionDays"] != 7.0 {
		t.Fatal(code, all)
	}
	code, all = patch(`{"policies":{"softDeletePolicy":{"status":"enabled","retentionDays":7},"retentionPolicy":{"status":"enabled","days":30}}}`)
	access, err := e.ident.Access(t.Context(), meta.DefaultRegistry)
	if code != http.StatusOK || err != nil || access.SoftDelete.Set || access.Retention != (meta.Policy{Set: true, Enabled: true, Days: 30}) {
		t.Errorf("what is as it was counts as set: %d %+v %v", code, access, err)
	}
	if all["retentionPolicy"].(map[string]any)["days"] != 30.0 {
		t.Error(all)
	}
	code, all = patch(`{"policies":{"azureADAuthenticationAsArmPolicy":{"status":"disabled"},"softDeletePolicy":{"status":"disabled","retentionDays":3}}}`)
	if code != http.StatusOK || all["azureADAuthenticationAsArmPolicy"].(map[string]any)["status"] != "disabled" || all["softDeletePolicy"].(map[string]any)["status"] != "disabled" {
		t.Error(code, all)
	}
	for _, bad := range []string{
		`{"policies":{"softDeletePolicy":{"status":"enabled","retentionDays":91}}}`, `{"policies":{"retentionPolicy":{"status":"enabled","days":366}}}`,
		`{"policies":{"quarantinePolicy":{"status":"enabled"}}}`, `{"policies":{"trustPolicy":{"type":"Notary","status":"enabled"}}}`,
		`{"policies":{"exportPolicy":{"status":"disabled"}}}`, `{"publicNetworkAccess":"Disabled"}`,
	} {
		if w, out := e.send(http.MethodPatch, e.at("myregistry", ""), owner, `{"properties":`+bad+`}`); w.Code/100 != 4 {
			t.Errorf("%s: %d %v", bad, w.Code, out)
		}
	}
	// A token for Resource Manager gets none of the registry's any more, one for
	// the data of registries does.
	id, secret := e.application(authz.AcrPull, "")
	f := form(id, secret)
	f.Set("scope", authn.DataAudience+"/.default")
	_, data := e.postForm("/adfs/oauth2/token", f)
	for token, want := range map[string]error{e.signIn(id, secret): authn.ErrBadCredentials, data["access_token"].(string): nil} {
		if _, err := e.ident.ExchangeSession(t.Context(), meta.DefaultRegistry, token); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
