package server

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/acrapi"
	"github.com/orlop/orlop/internal/adminapi"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/distapi"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/tokenapi"
)

// The right that each route of the server needs: an action on the repository it
// names, or what of the registry. Every route must be here.
const (
	anybody    = "anybody"    // who shows good credentials
	tokens     = "tokens"     // registry:tokens:manage
	principals = "principals" // registry:principals:manage
	view       = "view"       // registry:settings:view
	owning     = "registries" // registry:registries:manage
	issuing    = "issuing"    // tokens of the data plane, for credentials in the request
)

var needs = map[string]string{
	"GET /v2/": anybody, "HEAD /v2/": anybody,
	"GET /v2/_catalog": "catalog", "HEAD /v2/_catalog": "catalog",
	"GET /v2/{name}/tags/list": "pull", "HEAD /v2/{name}/tags/list": "pull",
	"GET /v2/{name}/manifests/{reference}": "pull", "HEAD /v2/{name}/manifests/{reference}": "pull",
	"PUT /v2/{name}/manifests/{reference}": "push", "DELETE /v2/{name}/manifests/{reference}": "delete",
	"GET /v2/{name}/blobs/{digest}": "pull", "HEAD /v2/{name}/blobs/{digest}": "pull", "DELETE /v2/{name}/blobs/{digest}": "delete",
	"POST /v2/{name}/blobs/uploads/":    "push",
	"GET /v2/{name}/blobs/uploads/{id}": "push", "HEAD /v2/{name}/blobs/uploads/{id}": "push",
	"PUT /v2/{name}/blobs/uploads/{id}": "push", "PATCH /v2/{name}/blobs/uploads/{id}": "push", "DELETE /v2/{name}/blobs/uploads/{id}": "push",
	"GET /v2/{name}/referrers/{digest}": "pull", "HEAD /v2/{name}/referrers/{digest}": "pull",
	"POST /v2/{name}/_orlop/blobs/read": "pull", "POST /v2/{name}/_orlop/blobs/write": "push",

	"GET /acr/v1/_catalog": "catalog", "HEAD /acr/v1/_catalog": "catalog",
	"GET /acr/v1/{name}": "metadata_read", "HEAD /acr/v1/{name}": "metadata_read",
	"PATCH /acr/v1/{name}": "metadata_write", "DELETE /acr/v1/{name}": "delete",
	"GET /acr/v1/{name}/_tags": "metadata_read", "HEAD /acr/v1/{name}/_tags": "metadata_read",
	"GET /acr/v1/{name}/_tags/{tag}": "metadata_read", "HEAD /acr/v1/{name}/_tags/{tag}": "metadata_read",
	"PATCH /acr/v1/{name}/_tags/{tag}": "metadata_write", "DELETE /acr/v1/{name}/_tags/{tag}": "delete",
	"GET /acr/v1/{name}/_manifests": "metadata_read", "HEAD /acr/v1/{name}/_manifests": "metadata_read",
	"GET /acr/v1/{name}/_manifests/{digest}": "metadata_read", "HEAD /acr/v1/{name}/_manifests/{digest}": "metadata_read",
	"PATCH /acr/v1/{name}/_manifests/{digest}": "metadata_write",
	"GET /acr/v1/_deleted/_catalog":            "deleted_catalog", "HEAD /acr/v1/_deleted/_catalog": "deleted_catalog",
	"GET /acr/v1/_deleted/{name}/_tags": "deleted_read", "HEAD /acr/v1/_deleted/{name}/_tags": "deleted_read",
	"GET /acr/v1/_deleted/{name}/_manifests": "deleted_read", "HEAD /acr/v1/_deleted/{name}/_manifests": "deleted_read",
	"POST /acr/v1/_deleted/{name}/_manifests/{digest}": "deleted_restore",

	"GET /oauth2/token": issuing, "POST /oauth2/token": issuing, "POST /oauth2/exchange": issuing,

	"GET /api/v1/service-principals": principals, "POST /api/v1/service-principals": principals,
	"PATCH /api/v1/service-principals/{id}": principals, "DELETE /api/v1/service-principals/{id}": principals,
	"GET /api/v1/service-principals/{id}/credential": principals, "POST /api/v1/service-principals/{id}/credential": principals,
	"DELETE /api/v1/service-principals/{id}/credential/{key}": principals,
	"GET /api/v1/users": principals, "POST /api/v1/users": principals, "PATCH /api/v1/users/{name}": principals,
	"DELETE /api/v1/users/{name}": principals, "POST /api/v1/users/{name}/password": principals,
	"GET /api/v1/role-assignments": principals, "POST /api/v1/role-assignments": principals, "DELETE /api/v1/role-assignments": principals,
	"GET /api/v1/tokens": tokens, "POST /api/v1/tokens": tokens, "GET /api/v1/tokens/{name}": tokens,
	"PATCH /api/v1/tokens/{name}": tokens, "DELETE /api/v1/tokens/{name}": tokens,
	"POST /api/v1/tokens/{name}/credentials": tokens, "DELETE /api/v1/tokens/{name}/credentials/{password}": tokens,
	"GET /api/v1/scope-maps": tokens, "POST /api/v1/scope-maps": tokens, "GET /api/v1/scope-maps/{name}": tokens,
	"PATCH /api/v1/scope-maps/{name}": tokens, "DELETE /api/v1/scope-maps/{name}": tokens,
	"GET /api/v1/admin-user": tokens, "PATCH /api/v1/admin-user": tokens, "POST /api/v1/admin-user/credentials/{password}": tokens,
	"GET /api/v1/access": view, "PATCH /api/v1/access": tokens, "PUT /api/v1/access/role-mode": principals,
	"GET /api/v1/access/repositories/{name...}": tokens, "PATCH /api/v1/access/repositories/{name...}": tokens,
	"GET /api/v1/registry": view, "GET /api/v1/registries": view, "POST /api/v1/registries": owning, "DELETE /api/v1/registries/{name}": owning,
	"GET /api/v1/gc": owning, "POST /api/v1/gc": owning,
}

// operations says what each role may do: in the classic mode of a registry, and
// in that of repository-scoped roles. It is the table of Azure's documentation,
// and none of the code it is held against.
var operations = map[string]struct{ classic, repository string }{
	"AcrPull":             {classic: "pull metadata_read catalog"},
	"AcrPush":             {classic: "pull push metadata_read catalog"},
	"AcrDelete":           {classic: "delete"},
	"AcrImageSigner":      {},
	"AcrQuarantineReader": {},
	"AcrQuarantineWriter": {},
	"Reader":              {classic: "pull metadata_read deleted_read catalog deleted_catalog view", repository: "view"},
	"Contributor": {classic: "pull push delete metadata_read metadata_write deleted_read deleted_restore catalog deleted_catalog tokens view",
		repository: "view"},
	"Owner": {classic: "pull push delete metadata_read metadata_write deleted_read deleted_restore catalog deleted_catalog tokens view principals registries",
		repository: "tokens view principals registries"},
	"Container Registry Repository Reader":         {repository: "pull metadata_read"},
	"Container Registry Repository Writer":         {repository: "pull push metadata_read metadata_write"},
	"Container Registry Repository Contributor":    {repository: "pull push delete metadata_read metadata_write deleted_read deleted_restore"},
	"Container Registry Repository Catalog Lister": {repository: "catalog"},
}

var absentDigest = digest.FromString("nothing that anybody pushed").String()

// target is the path of a route for a repository; what else it names is not
// there.
func target(pattern, repo string) string {
	if strings.HasPrefix(pattern, "/api/") {
		return strings.NewReplacer("{name...}", "absent/repository", "{name}", "absent", "{id}", "absent", "{key}", "absent", "{password}", "absent").Replace(pattern)
	}
	return strings.NewReplacer("{name}", repo, "{reference}", "absent", "{digest}", absentDigest, "{tag}", "absent", "{id}", "absent").Replace(pattern)
}

// TestEveryRouteHasARule fails when a route was added to a router and not to the
// table above.
func TestEveryRouteHasARule(t *testing.T) {
	all := slices.Concat(distapi.Routes(), acrapi.Routes(), tokenapi.Routes(), adminapi.Routes())
	for _, r := range all {
		if needs[r] == "" {
			t.Errorf("%s has no rule", r)
		}
	}
	for r := range needs {
		if !slices.Contains(all, r) {
			t.Errorf("%s has a rule and is no route", r)
		}
	}
	for _, role := range authz.Roles() {
		if _, ok := operations[role]; !ok {
			t.Errorf("%s is not in the table of operations", role)
		}
	}
}

// caller asks a server.
type caller struct {
	t             *testing.T
	s             *Server
	authorization string
}

func basicly(user, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}

func (c *caller) ask(method, path, body string) *httptest.ResponseRecorder {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body))
	if c.authorization != "" {
		r.Header.Set("Authorization", c.authorization)
	}
	w := httptest.NewRecorder()
	c.s.ServeHTTP(w, r)
	return w
}

// bearer shows a token for the scope in place of the password.
func (c *caller) bearer(scope string) *caller {
	c.t.Helper()
	w := c.ask("GET", "/oauth2/token?scope="+url.QueryEscape(scope), "")
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Token == "" {
		c.t.Fatalf("no token: %d %s", w.Code, w.Body)
	}
	return &caller{c.t, c.s, "Bearer " + out.Token}
}

// seed makes a repository with a tag.
func (c *caller) seed(repo string) {
	c.t.Helper()
	config := digest.FromString("{}")
	if w := c.ask("POST", "/v2/"+repo+"/blobs/uploads/?digest="+config.String(), "{}"); w.Code != 201 {
		c.t.Fatal(w.Code, w.Body)
	}
	r := httptest.NewRequestWithContext(c.t.Context(), "PUT", "/v2/"+repo+"/manifests/1.0", strings.NewReader(
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"`+
			config.String()+`","size":2},"layers":[]}`))
	r.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	r.Header.Set("Authorization", c.authorization)
	w := httptest.NewRecorder()
	if c.s.ServeHTTP(w, r); w.Code != 201 {
		c.t.Fatal(w.Code, w.Body)
	}
}

func newAdmin(t *testing.T, s *Server) *caller {
	t.Helper()
	if _, err := s.authn.EnsureAdmin(t.Context(), "admin-password"); err != nil {
		t.Fatal(err)
	}
	return &caller{t, s, basicly("admin", "admin-password")}
}

// principal makes one with a role.
func principal(t *testing.T, s *Server, role, prefix string) *caller {
	t.Helper()
	p, secret, err := s.authn.CreateServicePrincipal(t.Context(), meta.DefaultRegistry, role, []meta.RoleAssignment{{Role: role, Prefix: prefix}})
	if err != nil {
		t.Fatal(err)
	}
	return &caller{t, s, basicly(p.Name, secret)}
}

// scopeOf is the scope that a client asks a token for to use a route.
func scopeOf(need, repo string) string {
	switch need {
	case "catalog", "deleted_catalog":
		return "registry:" + need + ":*"
	case tokens, principals, owning:
		return "registry:" + need + ":manage"
	case view:
		return "registry:settings:view"
	case anybody:
		return ""
	}
	return "repository:" + repo + ":" + need
}

func ofRepository(pattern string) bool {
	return strings.Contains(pattern, "{name}") && !strings.HasPrefix(pattern, "/api/")
}

// TestPermissions asks every route as every role in both modes of a registry, by
// password and by token, for repositories the role is for and others, that are
// there and that are not: threats S4, S5 and S10. What is refused is refused in
// the same words whether or not the repository is there.
func TestPermissions(t *testing.T) {
	for _, mode := range []struct {
		name            string
		repositoryRoles bool
	}{{"classic", false}, {"repository roles", true}} {
		t.Run(mode.name, func(t *testing.T) {
			s, _ := open(t, nil)
			admin := newAdmin(t, s)
			admin.seed("own/app")
			admin.seed("other/app")
			if err := s.authn.EditAccess(t.Context(), meta.DefaultRegistry, func(a *meta.Access) { a.RepositoryRoles = mode.repositoryRoles }); err != nil {
				t.Fatal(err)
			}
			for role, may := range operations {
				allowed := strings.Fields(may.classic)
				if mode.repositoryRoles {
					allowed = strings.Fields(may.repository)
				}
				w := walk{t: t, role: role, allowed: allowed, whole: principal(t, s, role, "")}
				if role != authz.RepositoryCatalogLister {
					w.scoped = principal(t, s, role, "own/*")
				}
				w.all()
			}
			nobody := &caller{t, s, ""}
			walk{t: t, role: "nobody", whole: nobody, scoped: nobody}.all()
		})
	}
}

// walk asks every route as one caller: scoped has the role at own/*, whole at
// the registry.
type walk struct {
	t             *testing.T
	role          string
	allowed       []string
	whole, scoped *caller
}

func (w walk) all() {
	for route, need := range needs {
		method, pattern, _ := strings.Cut(route, " ")
		switch {
		case need == issuing:
		case !ofRepository(pattern):
			w.check(w.whole, method, pattern, need, "", need == anybody && w.role != "nobody" || slices.Contains(w.allowed, need))
		case w.scoped != nil:
			for _, repo := range []string{"own/app", "own/absent"} {
				w.check(w.scoped, method, pattern, need, repo, slices.Contains(w.allowed, need))
			}
			w.hidden(method, pattern, need)
		}
	}
}

// check asks one route by password and by token.
func (w walk) check(c *caller, method, pattern, need, repo string, allowed bool) {
	w.t.Helper()
	refused := http.StatusForbidden
	if w.role == "nobody" {
		refused = http.StatusUnauthorized
	}
	got := c.ask(method, target(pattern, repo), "")
	if isRefused := got.Code == 401 || got.Code == 403; isRefused == allowed || !allowed && got.Code != refused {
		w.t.Errorf("%s: %s %s of %q: %d %s", w.role, method, pattern, repo, got.Code, got.Body)
	}
	if w.role == "nobody" {
		return
	}
	got = c.bearer(scopeOf(need, repo)).ask(method, target(pattern, repo), "")
	if isRefused := got.Code == 401 || got.Code == 403; isRefused == allowed || got.Code == 403 {
		w.t.Errorf("%s, by token: %s %s of %q: %d %s", w.role, method, pattern, repo, got.Code, got.Body)
	}
	// A token for something else is sent for a better one.
	got = c.bearer("repository:elsewhere:pull").ask(method, target(pattern, repo), "")
	if need != anybody && (got.Code != 401 || !strings.Contains(got.Header().Get("Www-Authenticate"), `error="invalid_token"`)) {
		w.t.Errorf("%s, by a token for less: %s %s of %q: %d %s", w.role, method, pattern, repo, got.Code, got.Body)
	}
}

// hidden asks for repositories the role is not for.
func (w walk) hidden(method, pattern, need string) {
	w.t.Helper()
	for _, c := range []*caller{w.scoped, w.token(need)} {
		there := c.ask(method, target(pattern, "other/app"), "")
		absent := c.ask(method, target(pattern, "other/nil"), "")
		if there.Code != 401 && there.Code != 403 {
			w.t.Errorf("%s: %s %s of other/app: %d %s", w.role, method, pattern, there.Code, there.Body)
		}
		sameWords := strings.ReplaceAll(there.Body.String(), "other/app", "other/nil") == absent.Body.String() &&
			strings.ReplaceAll(there.Header().Get("Www-Authenticate"), "other/app", "other/nil") == absent.Header().Get("Www-Authenticate")
		if there.Code != absent.Code || !sameWords {
			w.t.Errorf("%s: %s %s tells what is there: %d %s, %d %s", w.role, method, pattern, there.Code, there.Body, absent.Code, absent.Body)
		}
	}
}

func (w walk) token(need string) *caller {
	if w.role == "nobody" {
		return w.scoped
	}
	return w.scoped.bearer(scopeOf(need, "other/app") + " " + scopeOf(need, "own/app"))
}

// TestAnonymousPull opens one repository, and then all: anybody may pull there
// and do nothing else.
func TestAnonymousPull(t *testing.T) {
	s, _ := open(t, nil)
	admin := newAdmin(t, s)
	admin.seed("own/app")
	admin.seed("other/app")
	nobody := &caller{t, s, ""}
	demand := func(repo string, open bool) {
		t.Helper()
		for route, need := range needs {
			method, pattern, _ := strings.Cut(route, " ")
			if !ofRepository(pattern) {
				continue
			}
			if got := nobody.ask(method, target(pattern, repo), ""); (got.Code != 401) != (open && need == "pull") {
				t.Errorf("%s %s of %s: %d", method, pattern, repo, got.Code)
			}
		}
		if got := nobody.ask("GET", "/v2/", ""); got.Code != 401 {
			t.Errorf("GET /v2/: %d", got.Code)
		}
	}
	set := func(path, body string) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), "PATCH", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", admin.authorization)
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
	}
	demand("own/app", false)
	set("/api/v1/access/repositories/own/app", `{"anonymousPullEnabled":true}`)
	demand("own/app", true)
	demand("other/app", false)
	demand("absent", false)
	set("/api/v1/access/repositories/own/app", `{"anonymousPullEnabled":false}`)
	demand("own/app", false)
	set("/api/v1/access", `{"anonymousPullEnabled":true}`)
	demand("other/app", true)
	set("/api/v1/access", `{"anonymousPullEnabled":false}`)
	demand("other/app", false)
}

// postForm sends a form without credentials in the header.
func postForm(t *testing.T, s *Server, path, form string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}
