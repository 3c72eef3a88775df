package armapi

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/hosting"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

const (
	testHost = "myregistry.example:5443" // of the default registry
	testBase = "https://" + testHost
)

// env is the API on a real authenticator and database.
type env struct {
	*API
	t     *testing.T
	ident *authn.Authenticator
	hosts *hosting.Registries
}

func newEnv(t *testing.T, change func(*Options)) *env {
	t.Helper()
	db, err := sqlmeta.Open(t.Context(), filepath.Join(t.TempDir(), "orlop.db"), sqlmeta.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Update(t.Context(), func(tx *sqlmeta.Tx) error { return tx.EnsureRegistry(meta.DefaultRegistry, "default") }); err != nil {
		t.Fatal(err)
	}
	e := &env{t: t}
	if e.ident, err = authn.New(t.Context(), db, authn.Options{}); err != nil {
		t.Fatal(err)
	}
	e.hosts, err = hosting.New(t.Context(), db, hosting.Options{
		Domains: []string{"example"}, Name: "myregistry", Deleted: func(int64) { e.ident.Forget() },
	})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Authn: e.ident, Gate: gate.New(gate.Options{Authn: e.ident, Hosts: e.hosts}), Registries: e.hosts, Size: db.StoredSize}
	if change != nil {
		change(&o)
	}
	e.API = New(o)
	return e
}

// application makes a service principal with a role at the registry, or at the
// repositories of a prefix.
func (e *env) application(role, prefix string) (id, secret string) {
	e.t.Helper()
	var roles []meta.RoleAssignment
	if role != "" {
		roles = append(roles, meta.RoleAssignment{Role: role, Prefix: prefix})
	}
	p, secret, err := e.ident.CreateServicePrincipal(e.t.Context(), meta.DefaultRegistry, "ci", roles)
	if err != nil {
		e.t.Fatal(err)
	}
	return p.ID, secret
}

// do sends a request from 192.0.2.1, as httptest has it.
func (e *env) do(r *http.Request) (*httptest.ResponseRecorder, map[string]any) {
	e.t.Helper()
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	var body map[string]any
	if w.Body.Len() == 0 {
		return w, nil
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		e.t.Fatalf("%s %s: %d, no JSON: %s", r.Method, r.URL, w.Code, w.Body)
	}
	return w, body
}

func (e *env) get(path, token string) (*httptest.ResponseRecorder, map[string]any) {
	e.t.Helper()
	return e.send(http.MethodGet, path, token, "")
}

func (e *env) send(method, path, token, body string) (*httptest.ResponseRecorder, map[string]any) {
	e.t.Helper()
	r := httptest.NewRequest(method, testBase+path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return e.do(r)
}

func (e *env) postForm(path string, form url.Values) (*httptest.ResponseRecorder, map[string]any) {
	e.t.Helper()
	r := httptest.NewRequest(http.MethodPost, testBase+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return e.do(r)
}

// form is what az sends.
func form(id, secret string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret},
		"client_info": {"1"}, "claims": {"{}"}, "scope": {testBase + "/.default"},
	}
}

// signIn returns a token for an application's secret.
func (e *env) signIn(id, secret string) string {
	e.t.Helper()
	w, body := e.postForm("/adfs/oauth2/token", form(id, secret))
	if w.Code != http.StatusOK {
		e.t.Fatalf("%d %v", w.Code, body)
	}
	return body["access_token"].(string)
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestServes(t *testing.T) {
	for path, want := range map[string]bool{
		"/subscriptions": true, "/Subscriptions/x/resourceGroups": true, "/tenants": true, "/tenants/x": false,
		"/adfs/.well-known/openid-configuration": true, "/adfs/oauth2/token": true, "/x/oauth2/v2.0/token": true,
		"/common/discovery/instance": true, "/msi/token": true, "/msi": false, "/metadata/endpoints": true, "/metadata": false,
		"/": false, "": false, "//": false, "/oauth2/token": false, "//oauth2/token": false, "/v2/": false, "/adfs/oauth2/authorize": false,
	} {
		if got := Serves(path); got != want {
			t.Errorf("Serves(%q) = %v", path, got)
		}
	}
}

func TestRegistryName(t *testing.T) {
	for host, want := range map[string]string{
		"myregistry.azurecr.localtest:5443": "myregistry", "myregistry.example": "myregistry", "localhost:5443": "localhost",
		"127.0.0.1:5000": "registry", "[::1]:5000": "registry", "10.0.0.1": "registry", "a-b.example": "registry", "abc.example": "registry", "": "registry",
	} {
		if got := RegistryName(host); got != want {
			t.Errorf("RegistryName(%q) = %q", host, got)
		}
	}
}

func TestIDsAreStable(t *testing.T) {
	e := newEnv(t, nil)
	id := SubscriptionID(e.ident.Tenant())
	if id != SubscriptionID(e.ident.Tenant()) || id == SubscriptionID("another tenant") || len(id) != 36 {
		t.Error(id)
	}
}
