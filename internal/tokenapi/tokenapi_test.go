package tokenapi

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

type env struct {
	t            *testing.T
	srv          *httptest.Server
	ident        *authn.Authenticator
	user, secret string
	refresh      string
}

func newEnv(t *testing.T, o authn.Options) *env {
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
	if e.ident, err = authn.New(t.Context(), db, o); err != nil {
		t.Fatal(err)
	}
	p, secret, err := e.ident.CreateServicePrincipal(t.Context(), meta.DefaultRegistry, "ci", []meta.RoleAssignment{{Role: authz.AcrPush, Prefix: "samples/*"}})
	if err != nil {
		t.Fatal(err)
	}
	e.user, e.secret = p.Name, secret
	s, err := e.ident.SignIn(t.Context(), meta.DefaultRegistry, netip.Addr{}, e.user, e.secret)
	if err != nil {
		t.Fatal(err)
	}
	if e.refresh, _, err = e.ident.RefreshToken(s, meta.DefaultRegistry, "r.example"); err != nil {
		t.Fatal(err)
	}
	e.srv = httptest.NewServer(New(Options{Authn: e.ident, Gate: gate.New(gate.Options{Authn: e.ident})}))
	t.Cleanup(e.srv.Close)
	return e
}

// answer is what came back, with the access claim of the token.
type answer struct {
	status  int
	header  http.Header
	body    string
	tokens  map[string]string
	access  string // scopes, with blanks between
	subject string
}

func (e *env) do(r *http.Request) answer {
	e.t.Helper()
	resp, err := e.srv.Client().Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	var raw json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&raw); err != nil {
		e.t.Fatalf("%d: the answer is no JSON: %v", a.status, err)
	}
	a.body = string(raw)
	if a.status == http.StatusOK && r.URL.Path == ExchangePath {
		if err := json.Unmarshal(raw, &a.tokens); err != nil {
			e.t.Fatal(err)
		}
	} else if a.status == http.StatusOK {
		if err := json.Unmarshal(raw, &a.tokens); err != nil {
			e.t.Fatal(err)
		}
		a.access, a.subject = open(e.t, a.tokens["access_token"])
	}
	return a
}

func open(t *testing.T, token string) (access, subject string) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token %q", token)
	}
	raw, err := base64.RawStdEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Access []authz.Scope `json:"access"`
		Sub    string        `json:"sub"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range c.Access {
		out = append(out, s.String())
	}
	return strings.Join(out, " "), c.Sub
}

func (e *env) get(query, auth string) answer {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), "GET", e.srv.URL+Path+"?"+query, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	return e.do(r)
}

func (e *env) post(path, form string) answer {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), "POST", e.srv.URL+path, strings.NewReader(form))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return e.do(r)
}

func basicAuth(user, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}

const pushScope = "repository:samples/a:pull,push"

// TestForms is the table of acr-wire 1.4: what clients send, what they need.
func TestForms(t *testing.T) {
	e := newEnv(t, authn.Options{})
	me := basicAuth(e.user, e.secret)
	null := basicAuth(authn.NullUser, e.refresh)
	q := url.QueryEscape
	password := "service=x&grant_type=password&username=" + e.user + "&password=" + q(e.secret)
	refresh := "service=x&grant_type=refresh_token&refresh_token=" + q(e.refresh)
	for name, c := range map[string]struct {
		got     answer
		access  string
		refresh string
	}{
		"docker login":                {e.get("account=u&client_id=docker&offline_token=true&service=x", me), "", ""},
		"docker login with a token":   {e.get("account=u&client_id=docker&offline_token=true&service=x", null), "", e.refresh},
		"the same, without offline":   {e.get("service=x", null), "", ""},
		"docker push":                 {e.get("service=x&account=u&scope="+q(pushScope), me), pushScope, ""},
		"several scopes":              {e.get("scope="+q(pushScope)+"&scope=repository:samples/b:pull&scope=repository:other:pull", me), pushScope + " repository:samples/b:pull", ""},
		"scopes with blanks":          {e.get("scope="+q("registry:catalog:* repository:samples/a:pull"), me), "registry:catalog:* repository:samples/a:pull", ""},
		"az with a password":          {e.post(Path, password+"&scope="+q("repository:samples/a:metadata_read")), "repository:samples/a:metadata_read", ""},
		"az with an identity":         {e.post(Path, refresh+"&scope=registry:catalog:*"), "registry:catalog:*", ""},
		"SDK for Go":                  {e.post(Path+"?api-version=2021-07-01", refresh+"&scope="+q(pushScope)), pushScope, ""},
		"docker with a refresh token": {e.post(Path, refresh+"&client_id=docker&scope="+q(pushScope)), pushScope, ""},
		"check-health":                {e.post(Path, refresh+"&scope="+q("registry:None:*")), "", ""},
		"unknown scope":               {e.get("scope=artifact-repository:repo:pull&scope=x", me), "", ""},
		"more than granted":           {e.get("scope="+q("repository:samples/a:*")+"&scope=repository:other:delete", me), "repository:samples/a:pull,push,metadata_read", ""},
		"null user by password":       {e.post(Path, "grant_type=password&username="+authn.NullUser+"&password="+q(e.refresh)+"&scope="+q(pushScope)), pushScope, ""},
	} {
		a := c.got
		if a.status != http.StatusOK || a.access != c.access || a.tokens["refresh_token"] != c.refresh || a.subject != e.user {
			t.Errorf("%s: %d %q %s", name, a.status, a.access, a.body)
		}
		if a.header.Get("X-Ms-Ratelimit-Remaining-Calls-Per-Second") == "" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", name, a.header)
		}
		want := []string{"access_token"}
		if c.refresh != "" {
			want = append(want, "refresh_token")
		}
		for k := range a.tokens {
			if !strings.Contains(strings.Join(want, " "), k) {
				t.Errorf("%s: the answer holds %s", name, k)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	e := newEnv(t, authn.Options{})
	me := basicAuth(e.user, e.secret)
	access := e.get("scope="+url.QueryEscape(pushScope), me).tokens["access_token"]
	big := "grant_type=password&x=" + strings.Repeat("x", maxForm)
	for name, c := range map[string]struct {
		got    answer
		status int
		code   string
	}{
		"wrong secret":                {e.get("service=x", basicAuth(e.user, "wrong")), 401, "UNAUTHORIZED"},
		"wrong secret by POST":        {e.post(Path, "grant_type=password&username="+e.user+"&password=wrong"), 401, "UNAUTHORIZED"},
		"user alone":                  {e.post(Path, "grant_type=password&username="+e.user), 401, "UNAUTHORIZED"},
		"nobody":                      {e.get("service=x&scope=repository:samples/a:pull", ""), 401, "UNAUTHORIZED"},
		"SDK for Go, no credentials":  {e.post(Path, "grant_type=password&service=x&refresh_token=&scope=repository:samples/a:pull"), 401, "UNAUTHORIZED"},
		"a token as Bearer":           {e.get("service=x", "Bearer "+access), 401, "UNAUTHORIZED"},
		"no refresh token":            {e.post(Path, "grant_type=refresh_token"), 401, "UNAUTHORIZED"},
		"access token as refresh":     {e.post(Path, "grant_type=refresh_token&refresh_token="+access), 401, "UNAUTHORIZED"},
		"edited refresh token":        {e.post(Path, "grant_type=refresh_token&refresh_token="+e.refresh[:len(e.refresh)-6]+"AAAAAA"), 401, "UNAUTHORIZED"},
		"no grant type":               {e.post(Path, ""), 400, "UNSUPPORTED"},
		"unknown grant type":          {e.post(Path, "grant_type=device_code"), 400, "UNSUPPORTED"},
		"credentials in the query":    {e.post(Path+"?grant_type=password&username="+e.user+"&password="+e.secret, ""), 400, "UNSUPPORTED"},
		"malformed form":              {e.post(Path, "grant_type=%zz"), 400, "UNSUPPORTED"},
		"malformed query":             {e.get("scope=%zz", me), 400, "UNSUPPORTED"},
		"too long":                    {e.post(Path, big), 413, "SIZE_INVALID"},
		"exchange of nothing":         {e.post(ExchangePath, "grant_type=access_token"), 401, "UNAUTHORIZED"},
		"exchange of a refresh token": {e.post(ExchangePath, "grant_type=access_token&access_token="+e.refresh), 401, "UNAUTHORIZED"},
		"exchange of an access token": {e.post(ExchangePath, "grant_type=access_token&access_token="+access), 401, "UNAUTHORIZED"},
		"exchange by refresh_token":   {e.post(ExchangePath, "grant_type=refresh_token&refresh_token="+e.refresh), 400, "UNSUPPORTED"},
		"exchange in the query":       {e.post(ExchangePath+"?grant_type=access_token&access_token=x", ""), 400, "UNSUPPORTED"},
		"another path":                {e.post("/oauth2/authorize", ""), 404, "NOT_FOUND"},
	} {
		if c.got.status != c.status || !strings.Contains(c.got.body, `"code":"`+c.code+`"`) {
			t.Errorf("%s: %d %s", name, c.got.status, c.got.body)
		}
		if c.status == 401 && !strings.HasPrefix(c.got.header.Get("Www-Authenticate"), "Basic ") {
			t.Errorf("%s: challenge %q", name, c.got.header.Get("Www-Authenticate"))
		}
		if strings.Contains(c.got.body, e.secret) {
			t.Errorf("%s: the answer shows the secret", name)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), "DELETE", e.srv.URL+Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := e.do(r); a.status != 405 || a.header.Get("Allow") != "GET, POST" {
		t.Errorf("DELETE: %d %v", a.status, a.header)
	}
	r, err = http.NewRequestWithContext(t.Context(), "POST", e.srv.URL+Path, strings.NewReader(`{"grant_type":"password"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if a := e.do(r); a.status != 400 {
		t.Errorf("JSON: %d", a.status)
	}
}

// TestNarrowToken has an access token, shown as a password, get nothing beyond
// itself.
func TestNarrowToken(t *testing.T) {
	e := newEnv(t, authn.Options{})
	access := e.get("scope=repository:samples/a:pull", basicAuth(e.user, e.secret)).tokens["access_token"]
	a := e.get("offline_token=true&scope="+url.QueryEscape(pushScope+" registry:catalog:* repository:*:*"), basicAuth(authn.NullUser, access))
	if a.status != 200 || a.access != "repository:samples/a:pull" || a.tokens["refresh_token"] != "" {
		t.Errorf("%d %q %s", a.status, a.access, a.body)
	}
}

func TestAnonymous(t *testing.T) {
	e := newEnv(t, authn.Options{AnonymousPull: true})
	for name, a := range map[string]answer{
		"GET":  e.get("service=x&scope="+url.QueryEscape("repository:any:pull,push,metadata_read registry:catalog:*"), ""),
		"POST": e.post(Path, "grant_type=password&service=x&refresh_token=&scope=repository:any:pull,push"),
	} {
		if a.status != 200 || a.subject != "" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if diff := cmp.Diff("repository:any:pull", a.access); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, scope := range []string{"repository:any:metadata_read", "registry:catalog:*", "repository:any:push"} {
		if a := e.get("scope="+url.QueryEscape(scope), ""); a.status != 401 {
			t.Errorf("%s: %d", scope, a.status)
		}
	}
}

func TestThrottled(t *testing.T) {
	e := newEnv(t, authn.Options{})
	for range 1000 {
		a := e.post(Path, "grant_type=password&username="+e.user+"&password=guess")
		if a.status == 429 {
			if a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "TOOMANYREQUESTS") {
				t.Errorf("%v %s", a.header, a.body)
			}
			if a := e.get("service=x", basicAuth(e.user, e.secret)); a.status != 200 { // it has signed in before
				t.Errorf("the user is locked out: %d", a.status)
			}
			return
		}
	}
	t.Error("a flood is never throttled")
}
