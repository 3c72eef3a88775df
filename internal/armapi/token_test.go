package armapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

func TestDirectoryDescribesItself(t *testing.T) {
	e := newEnv(t, nil)
	tenant := e.ident.Tenant()
	for path, want := range map[string]string{
		"/adfs/.well-known/openid-configuration":                   testBase + "/adfs/oauth2/token",
		"/" + tenant + "/v2.0/.well-known/openid-configuration":    testBase + "/" + tenant + "/oauth2/v2.0/token",
		"/" + tenant + "/.well-known/openid-configuration":         testBase + "/" + tenant + "/oauth2/token",
		"/organizations/v2.0/.well-known/openid-configuration?x=y": testBase + "/organizations/oauth2/v2.0/token",
	} {
		w, body := e.get(path, "")
		if w.Code != http.StatusOK || body["token_endpoint"] != want || body["issuer"] == "" || body["authorization_endpoint"] == "" {
			t.Errorf("%s: %d %v", path, w.Code, body)
		}
	}
	w, body := e.get("/common/discovery/instance?authorization_endpoint="+url.QueryEscape(testBase+"/x/oauth2/v2.0/authorize"), "")
	if w.Code != http.StatusOK || !strings.HasPrefix(body["tenant_discovery_endpoint"].(string), testBase+"/") {
		t.Errorf("%d %v", w.Code, body)
	}
	if w, body := e.get("/common/discovery/instance?authorization_endpoint=https://login.example/x", ""); w.Code != http.StatusBadRequest || body["error"] != "invalid_instance" {
		t.Errorf("another authority: %d %v", w.Code, body)
	}
	if w, body := e.get("/metadata/endpoints?api-version=2015-01-01", ""); w.Code != http.StatusOK || body["graphEndpoint"] != testBase {
		t.Errorf("%d %v", w.Code, body)
	}
}

func TestClientCredentials(t *testing.T) {
	e := newEnv(t, nil)
	id, secret := e.application(authz.Reader, "")
	tenant := e.ident.Tenant()
	for _, path := range []string{"/adfs/oauth2/token", "/" + tenant + "/oauth2/token", "/" + tenant + "/oauth2/v2.0/token"} {
		w, body := e.postForm(path, form(id, secret))
		if w.Code != http.StatusOK || body["token_type"] != "Bearer" || body["expires_in"].(float64) < 3000 || w.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %d %v", path, w.Code, body)
		}
		c := claimsOf(t, body["access_token"].(string))
		if c["tid"] != tenant || c["oid"] != id || c["appid"] != id || c["aud"] != testBase || c["exp"] == nil {
			t.Errorf("%s: %v", path, c)
		}
	}
	// By Basic, and for the registry's data alone.
	r := httptest.NewRequest(http.MethodPost, testBase+"/adfs/oauth2/token",
		strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "resource": {authn.DataAudience + "/"}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(id, url.QueryEscape(secret))
	if w, body := e.do(r); w.Code != http.StatusOK || claimsOf(t, body["access_token"].(string))["aud"] != authn.DataAudience {
		t.Errorf("%d %v", w.Code, body)
	}
}

// TestRefusals are requests for tokens that get none. A wrong secret, an
// unknown application and a person look alike.
func TestRefusals(t *testing.T) {
	e := newEnv(t, nil)
	id, secret := e.application(authz.Reader, "")
	const person, password = "jane", "correct horse battery"
	if _, _, err := e.ident.CreateUser(t.Context(), meta.DefaultRegistry, person, password, []meta.RoleAssignment{{Role: authz.Owner}}); err != nil {
		t.Fatal(err)
	}
	with := func(key, value string) url.Values {
		f := form(id, secret)
		f.Set(key, value)
		return f
	}
	for _, c := range []struct {
		name, path string
		form       url.Values
		status     int
		code       string
	}{
		{"wrong secret", "/adfs/oauth2/token", form(id, "wrong"), 401, "invalid_client"},
		{"unknown application", "/adfs/oauth2/token", form("8b0d5ab1-4f0e-4c8b-b0c0-64b1c6e3ac5a", secret), 401, "invalid_client"},
		{"a person", "/adfs/oauth2/token", form(person, password), 401, "invalid_client"},
		{"no secret", "/adfs/oauth2/token", form(id, ""), 401, "invalid_client"},
		{"null user with a secret", "/adfs/oauth2/token", form("00000000-0000-0000-0000-000000000000", secret), 401, "invalid_client"},
		{"another grant", "/adfs/oauth2/token", with("grant_type", "password"), 400, "unsupported_grant_type"},
		{"no grant", "/adfs/oauth2/token", with("grant_type", ""), 400, "unsupported_grant_type"},
		{"another resource", "/adfs/oauth2/token", with("scope", "https://graph.example/.default"), 400, "invalid_resource"},
		{"no resource", "/adfs/oauth2/token", with("scope", "openid"), 400, "invalid_resource"},
		{"another tenant", "/" + id + "/oauth2/token", form(id, secret), 400, "invalid_tenant"},
		{"too long", "/adfs/oauth2/token", with("x", strings.Repeat("x", maxForm)), 400, "invalid_request"},
	} {
		w, body := e.postForm(c.path, c.form)
		if w.Code != c.status || body["error"] != c.code || !strings.HasPrefix(body["error_description"].(string), "AADSTS") {
			t.Errorf("%s: %d %v", c.name, w.Code, body)
		}
		if strings.Contains(w.Body.String(), secret) {
			t.Errorf("%s: the answer holds the secret", c.name)
		}
	}
	if w, _ := e.get("/adfs/oauth2/token?client_id="+id+"&client_secret="+secret, ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d", w.Code)
	}
}

// TestBruteForce: wrong secrets are counted here as everywhere, and do not keep
// the right one out.
func TestBruteForce(t *testing.T) {
	e := newEnv(t, nil)
	id, secret := e.application(authz.Reader, "")
	var codes []int
	for range 15 {
		w, _ := e.postForm("/adfs/oauth2/token", form(id, "wrong"))
		codes = append(codes, w.Code)
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if codes[0] != http.StatusUnauthorized || !slices.Contains(codes, http.StatusTooManyRequests) {
		t.Errorf("%v", codes)
	}
	e.signIn(id, secret)
}

func TestManagedIdentity(t *testing.T) {
	const secret = "a secret of the endpoint"
	var id string
	e := newEnv(t, func(o *Options) { o.ManagedIdentitySecret = secret })
	id, _ = e.application(authz.Reader, "")
	ask := func(from, shown, client string) (int, map[string]any) {
		f := url.Values{"resource": {testBase}}
		if client != "" {
			f.Set("client_id", client)
		}
		r := httptest.NewRequest(http.MethodPost, testBase+"/msi/token?secret="+url.QueryEscape(shown), strings.NewReader(f.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = from
		w, body := e.do(r)
		return w.Code, body
	}
	const here, elsewhere = "127.0.0.1:1234", "192.0.2.7:1234"
	if code, _ := ask(here, secret, ""); code != http.StatusNotFound {
		t.Errorf("on without an identity: %d", code)
	}
	e.o.ManagedIdentity = id
	for _, c := range []struct {
		from, secret, client string
		want                 int
	}{
		{elsewhere, secret, "", 404}, {here, "", "", 401}, {here, "wrong", "", 401}, {here, secret, "another", 401}, {here, secret, id, 200}, {here, secret, "", 200},
	} {
		code, body := ask(c.from, c.secret, c.client)
		if code != c.want {
			t.Errorf("%+v: %d %v", c, code, body)
		}
		if code != http.StatusOK {
			continue
		}
		token := body["access_token"].(string)
		if w, _ := e.get("/subscriptions", token); w.Code != http.StatusOK || claimsOf(t, token)["oid"] != id || body["expires_on"] == "" {
			t.Errorf("%+v: %d %v", c, w.Code, body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, testBase+"/msi/token/?resource="+testBase+"&api-version=2017-09-01&clientid="+id, nil)
	r.Header.Set("secret", secret)
	r.RemoteAddr = here
	if w, body := e.do(r); w.Code != http.StatusOK {
		t.Errorf("App Service: %d %v", w.Code, body)
	}
	if err := e.ident.DeleteServicePrincipal(t.Context(), meta.DefaultRegistry, id); err != nil {
		t.Fatal(err)
	}
	if code, _ := ask(here, secret, ""); code != http.StatusUnauthorized {
		t.Errorf("of a principal that has gone: %d", code)
	}
}

func TestBasicSecretsMayBeEscaped(t *testing.T) {
	for in, want := range map[string]string{"a%2Bb": "a+b", "a%zz": "a%zz", "plain": "plain"} {
		if got := unescape(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// TestRateLimit: tokens of the directory count like those of the registry.
func TestRateLimit(t *testing.T) {
	e := newEnv(t, nil)
	e.o.Gate = gate.New(gate.Options{Authn: e.ident, Limits: gate.Limits{OAuth: gate.Limit{Registry: 2}}})
	id, secret := e.application(authz.Reader, "")
	var last int
	for range 10 {
		w, _ := e.postForm("/adfs/oauth2/token", form(id, secret))
		if last = w.Code; last == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("%d", last)
	}
}
