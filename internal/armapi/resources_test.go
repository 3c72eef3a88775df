package armapi

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// nobody is the address of no client.
var nobody netip.Addr

func basic(user, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}

// path fills the braces of an operation's path.
func (e *env) path(pattern string) string {
	return "/" + strings.NewReplacer("{subscription}", SubscriptionID(e.ident.Tenant()), "{group}", group, "{registry}", "MyRegistry", "{name}", "absent").Replace(pattern)
}

// TestOperations walks every operation and every role.
func TestOperations(t *testing.T) {
	e := newEnv(t, nil)
	if err := e.ident.SetAdminUser(t.Context(), meta.DefaultRegistry, true); err != nil {
		t.Fatal(err)
	}
	rights := map[string][]authz.Access{ // beyond finding
		authz.Reader: {viewing}, authz.Contributor: {viewing, opening}, authz.Owner: {viewing, opening, owning},
	}
	for _, role := range []string{authz.AcrPull, authz.AcrPush, authz.AcrDelete, authz.Reader, authz.Contributor, authz.Owner} {
		token := e.signIn(e.application(role, ""))
		limited := e.signIn(e.application(role, "samples/*"))
		for _, op := range operations {
			may := op.want == finding
			for _, right := range rights[role] {
				may = may || op.want == right
			}
			w, body := e.send(op.method, e.path(op.path), token, bodyFor(op))
			refused := w.Code == http.StatusForbidden && errorCode(body) == "AuthorizationFailed"
			if may == refused || w.Code == http.StatusUnauthorized || w.Code >= http.StatusInternalServerError {
				t.Errorf("%s %s as %s: %d %v", op.method, op.path, role, w.Code, body)
			}
			// Roles at repositories are none at the registry.
			if w, _ := e.send(op.method, e.path(op.path), limited, bodyFor(op)); (op.want == finding) != (w.Code == http.StatusOK) {
				t.Errorf("%s %s as %s of samples/*: %d", op.method, op.path, role, w.Code)
			}
			if strings.Contains(op.path, "{") {
				elsewhere := strings.NewReplacer("{subscription}", e.ident.Tenant()).Replace(op.path)
				if w, body := e.send(op.method, e.path(elsewhere), token, bodyFor(op)); w.Code != http.StatusNotFound || errorCode(body) != "ResourceNotFound" {
					t.Errorf("%s %s as %s, elsewhere: %d", op.method, op.path, role, w.Code)
				}
			}
		}
	}
}

func bodyFor(op operation) string {
	if strings.HasSuffix(op.path, "credential") {
		return `{"name":"password2"}`
	}
	return `{"name":"another","properties":{}}`
}

func errorCode(body map[string]any) any {
	e, _ := body["error"].(map[string]any)
	return e["code"]
}

// TestNobody: who has no role finds no subscription, and nothing in it.
func TestNobody(t *testing.T) {
	e := newEnv(t, nil)
	token := e.signIn(e.application("", ""))
	for _, op := range operations {
		w, body := e.send(op.method, e.path(op.path), token, bodyFor(op))
		switch {
		case op.path == "subscriptions":
			if list, ok := body["value"].([]any); w.Code != http.StatusOK || !ok || len(list) != 0 {
				t.Errorf("%s: %d %v", op.path, w.Code, body)
			}
		case w.Code != http.StatusNotFound:
			t.Errorf("%s: %d %v", op.path, w.Code, body)
		}
	}
}

// TestTokens: nothing but a management token of somebody who is still there
// opens Resource Manager.
func TestTokens(t *testing.T) {
	e := newEnv(t, nil)
	id, secret := e.application(authz.Owner, "")
	good := e.signIn(id, secret)
	f := form(id, secret)
	f.Set("scope", authn.DataAudience+"/.default")
	_, data := e.postForm("/adfs/oauth2/token", f)
	s, err := e.ident.SignIn(t.Context(), meta.DefaultRegistry, nobody, id, secret)
	if err != nil {
		t.Fatal(err)
	}
	refresh, _, _ := e.ident.RefreshToken(s, meta.DefaultRegistry, testHost)
	access, _ := e.ident.AccessToken(s, meta.DefaultRegistry, testHost, authz.ParseScopes("registry:catalog:*"))
	for name, token := range map[string]string{
		"none": "", "junk": "x.y.z", "the secret": secret, "for the data": data["access_token"].(string), "refresh": refresh, "access": access, "changed": good[:len(good)-2],
	} {
		w, body := e.get("/subscriptions", token)
		if w.Code != http.StatusUnauthorized || errorCode(body) != "AuthenticationFailed" || !strings.HasPrefix(w.Header().Get("Www-Authenticate"), "Bearer authorization_uri=") {
			t.Errorf("%s: %d %v", name, w.Code, body)
		}
	}
	// And no management token opens the registry.
	for _, header := range []string{"Bearer " + good, basic(authn.NullUser, good), basic(id, good)} {
		if _, err := e.ident.Authenticate(t.Context(), meta.DefaultRegistry, nobody, header); err == nil {
			t.Errorf("%.10s: taken", header)
		}
	}
	if w, _ := e.get("/subscriptions", good); w.Code != http.StatusOK {
		t.Fatalf("good: %d", w.Code)
	}
	if err := e.ident.DeleteServicePrincipal(t.Context(), meta.DefaultRegistry, id); err != nil {
		t.Fatal(err)
	}
	if w, _ := e.get("/subscriptions", good); w.Code != http.StatusUnauthorized {
		t.Errorf("of a principal that has gone: %d", w.Code)
	}
}

func TestRegistry(t *testing.T) {
	e := newEnv(t, nil)
	token := e.signIn(e.application(authz.Owner, ""))
	_, list := e.get(e.path(ofSub+"/resources")+"?$filter=resourceType%20eq%20%27Microsoft.ContainerRegistry%2Fregistries%27&api-version=2021-04-01", token)
	first := list["value"].([]any)[0].(map[string]any)
	if first["name"] != "myregistry" {
		t.Fatal(list)
	}
	w, body := e.get(first["id"].(string)+"?api-version=2022-02-01-preview", token)
	p, _ := body["properties"].(map[string]any)
	if w.Code != http.StatusOK || p["loginServer"] != testHost || p["adminUserEnabled"] != false || body["sku"].(map[string]any)["name"] != "Premium" {
		t.Errorf("%d %v", w.Code, body)
	}
	for filter, want := range map[string]int{"resourceType%20eq%20%27x%27": http.StatusOK, "name%20ne%20x": http.StatusBadRequest} {
		if w, body := e.get(e.path(ofSub+"/resources")+"?$filter="+filter, token); w.Code != want {
			t.Errorf("%s: %d %v", filter, w.Code, body)
		}
	}
	if w, body := e.send(http.MethodDelete, e.path(oneOf), token, "{}"); w.Code != http.StatusConflict || errorCode(body) != "OperationNotAllowed" {
		t.Errorf("delete the default registry: %d %v", w.Code, body)
	}
	if w, body := e.send(http.MethodPost, e.path(oneOf), token, "{}"); w.Code != http.StatusMethodNotAllowed || errorCode(body) != "OperationNotAllowed" {
		t.Errorf("%d %v", w.Code, body)
	}
}

func TestAdminUser(t *testing.T) {
	e := newEnv(t, nil)
	token := e.signIn(e.application(authz.Owner, ""))
	if w, body := e.send(http.MethodPost, e.path(oneOf+"/listCredentials"), token, ""); w.Code != http.StatusBadRequest {
		t.Errorf("while it is off: %d %v", w.Code, body)
	}
	_, body := e.send(http.MethodPatch, e.path(oneOf), token, `{"properties":{"adminUserEnabled":true,"anonymousPullEnabled":true,"publicNetworkAccess":"Enabled"}}`)
	if p := body["properties"].(map[string]any); p["adminUserEnabled"] != true || p["anonymousPullEnabled"] != true {
		t.Fatal(body)
	}
	_, before := e.send(http.MethodPost, e.path(oneOf+"/listCredentials"), token, "")
	_, after := e.send(http.MethodPost, e.path(oneOf+"/regenerateCredential"), token, `{"name":"password2"}`)
	if value(before, 0) != value(after, 0) || value(before, 1) == value(after, 1) {
		t.Errorf("%v, then %v", before, after)
	}
	header := basic(after["username"].(string), value(after, 1))
	if s, err := e.ident.Authenticate(t.Context(), meta.DefaultRegistry, nobody, header); err != nil || !s.May(authz.Repository("a", authz.Push)) {
		t.Error(err)
	}
	for _, in := range []string{`{"name":"password3"}`, `{`, ``, strings.Repeat(" ", maxBody+1)} {
		if w, body := e.send(http.MethodPost, e.path(oneOf+"/regenerateCredential"), token, in); w.Code != http.StatusBadRequest {
			t.Errorf("%.20q: %d %v", in, w.Code, body)
		}
	}
}

func value(credentials map[string]any, i int) string {
	return credentials["passwords"].([]any)[i].(map[string]any)["value"].(string)
}

func TestCheckName(t *testing.T) {
	e := newEnv(t, nil)
	token := e.signIn(e.application(authz.Reader, ""))
	for name, reason := range map[string]any{"MYREGISTRY": "AlreadyExists", "a-b": "Invalid", "another": nil} {
		w, body := e.send(http.MethodPost, e.path(ofSub+"/providers/microsoft.containerregistry/checknameavailability"), token, `{"name":"`+name+`","type":"x"}`)
		if w.Code != http.StatusOK || body["nameAvailable"] != (reason == nil) || body["reason"] != reason {
			t.Errorf("%s: %d %v", name, w.Code, body)
		}
	}
}
