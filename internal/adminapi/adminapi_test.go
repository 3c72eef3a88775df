package adminapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/admin"
	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/hosting"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/tokenapi"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

// env is the API beside the token service, on a real store.
type env struct {
	t        *testing.T
	srv      *httptest.Server
	ident    *authn.Authenticator
	password string // of admin

	mu  sync.Mutex
	log bytes.Buffer
}

// Write collects the log.
func (e *env) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.log.Write(p)
}

func newEnv(t *testing.T) *env {
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
	log := slog.New(slog.NewTextHandler(e, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if e.ident, err = authn.New(t.Context(), db, authn.Options{Log: log}); err != nil {
		t.Fatal(err)
	}
	if e.password, err = e.ident.EnsureAdmin(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	hosts, err := hosting.New(t.Context(), db, hosting.Options{Domains: []string{"example"}, Name: "myregistry"})
	if err != nil {
		t.Fatal(err)
	}
	g := gate.New(gate.Options{Authn: e.ident, Hosts: hosts, Log: log})
	mux := http.NewServeMux()
	mux.Handle(tokenapi.Path, tokenapi.New(tokenapi.Options{Authn: e.ident, Gate: g}))
	mux.Handle(admin.Prefix, New(Options{Authn: e.ident, Gate: g, Registries: hosts}))
	e.srv = httptest.NewServer(mux)
	t.Cleanup(e.srv.Close)
	return e
}

// client is the admin API as a user sees it, through tokens.
func (e *env) client(user, password string) *admin.Client {
	e.t.Helper()
	r, err := remote.New(strings.TrimPrefix(e.srv.URL, "http://"), remote.Options{
		PlainHTTP: true, Credential: auth.Static(auth.Credential{Username: user, Password: password}),
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return admin.NewClient(r)
}

func (e *env) do(method, path, authorization, body string) (int, string) {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), method, e.srv.URL+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := e.srv.Client().Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return resp.StatusCode, string(out)
}

func basic(user, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}

func (e *env) signsIn(user, secret string) bool {
	e.t.Helper()
	_, err := e.ident.SignIn(e.t.Context(), meta.DefaultRegistry, netip.Addr{}, user, secret)
	if err != nil && !errors.Is(err, authn.ErrBadCredentials) {
		e.t.Fatal(err)
	}
	return err == nil
}

func TestServicePrincipals(t *testing.T) {
	e := newEnv(t)
	c := e.client("admin", e.password)
	made, err := c.CreateServicePrincipal(t.Context(), admin.NewServicePrincipal{Name: "ci", Roles: []string{"AcrPush"}, Repositories: []string{"samples/*", "tools"}})
	if err != nil {
		t.Fatal(err)
	}
	if made.AppID == "" || made.DisplayName != "ci" || made.Tenant != e.ident.Tenant() || !e.signsIn(made.AppID, made.Password) {
		t.Errorf("%+v", made)
	}
	if _, err := c.CreateServicePrincipal(t.Context(), admin.NewServicePrincipal{Name: "ci", Roles: []string{"AcrPull"}}); err != nil {
		t.Fatal(err) // names are for people
	}
	var roles []admin.Role
	n := 0
	for p, err := range c.ServicePrincipals(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if p.AppID == made.AppID {
			roles = p.Roles
		}
		if p.Created.IsZero() {
			t.Errorf("%+v", p)
		}
	}
	if diff := cmp.Diff([]admin.Role{{Role: "AcrPush", Repository: "samples/*"}, {Role: "AcrPush", Repository: "tools"}}, roles); n != 2 || diff != "" {
		t.Errorf("%d principals: %s", n, diff)
	}
	reset, err := c.ResetCredential(t.Context(), made.AppID, admin.NewSecret{})
	if err != nil || reset.AppID != made.AppID || e.signsIn(made.AppID, made.Password) || !e.signsIn(made.AppID, reset.Password) {
		t.Errorf("%+v, %v", reset, err)
	}
	if err := c.DeleteServicePrincipal(t.Context(), made.AppID); err != nil || e.signsIn(made.AppID, reset.Password) {
		t.Errorf("after it was deleted: %v", err)
	}
	if err := c.DeleteServicePrincipal(t.Context(), made.AppID); err == nil {
		t.Error("it is deleted twice")
	}
	// Threat S14: the log shows none of it.
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, secret := range []string{e.password, made.Password, reset.Password, "eyJ"} {
		if strings.Contains(e.log.String(), secret) {
			t.Errorf("the log shows a secret:\n%s", &e.log)
		}
	}
}

func TestPages(t *testing.T) {
	e := newEnv(t)
	for i := range 7 {
		if _, _, err := e.ident.CreateServicePrincipal(t.Context(), meta.DefaultRegistry, fmt.Sprint(i), []meta.RoleAssignment{{Role: authz.AcrPull}}); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for last := ""; ; {
		status, body := e.do("GET", "/api/v1/service-principals?n=3&last="+last, basic("admin", e.password), "")
		var page admin.ServicePrincipals
		if err := json.Unmarshal([]byte(body), &page); err != nil || status != 200 {
			t.Fatal(status, body, err)
		}
		for _, p := range page.ServicePrincipals {
			ids, last = append(ids, p.AppID), p.AppID
		}
		if !page.More {
			break
		}
	}
	if len(ids) != 7 || !slices.IsSorted(ids) {
		t.Errorf("%v", ids)
	}
	for _, n := range []string{"0", "-1", "1001", "x"} {
		if status, body := e.do("GET", "/api/v1/service-principals?n="+n, basic("admin", e.password), ""); status != 400 {
			t.Errorf("n=%s: %d %s", n, status, body)
		}
	}
}

// TestRights is threat S4: every route against every role, made from the table
// of routes.
func TestRights(t *testing.T) {
	e := newEnv(t)
	victim, _, err := e.ident.CreateServicePrincipal(t.Context(), meta.DefaultRegistry, "victim", []meta.RoleAssignment{{Role: authz.AcrPull}})
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"name":"mine","roles":["Owner"]}`
	for _, role := range authz.Roles() {
		for _, prefix := range []string{"", "samples/*"} {
			assignment := []meta.RoleAssignment{{Role: role, Prefix: prefix}}
			p, secret, err := e.ident.CreateServicePrincipal(t.Context(), meta.DefaultRegistry, role, assignment)
			if err != nil {
				t.Fatal(err)
			}
			grants := authz.ForRoles(assignment, false)
			if role == authz.Owner && prefix == "" {
				grants = authz.OwningServer(grants)
			}
			for _, rt := range routes {
				if grants.Allows(rt.want) {
					continue
				}
				if status, got := e.do(rt.method, pathOf(rt, victim.ID), basic(p.Name, secret), body); status != 403 {
					t.Errorf("%s %s as %s at %q: %d %s", rt.method, rt.pattern, role, prefix, status, got)
				}
			}
			if role == authz.Owner && prefix == "" {
				continue
			}
			if _, err := e.client(p.Name, secret).CreateServicePrincipal(t.Context(), admin.NewServicePrincipal{Name: "x", Roles: []string{"Owner"}}); err == nil {
				t.Errorf("%s at %q makes an owner", role, prefix)
			}
		}
	}
	for i, rt := range routes {
		if rt.want == (authz.Access{}) {
			t.Errorf("%s %s needs no right", rt.method, rt.pattern)
		}
		auths := []string{"", "Bearer x"}
		if i < 10 { // more would be throttled
			auths = append(auths, basic(fmt.Sprintf("nobody%d", i), "wrong"))
		}
		for _, auth := range auths {
			status, got := e.do(rt.method, pathOf(rt, victim.ID), auth, body)
			if status != 401 {
				t.Errorf("%s %s as nobody: %d %s", rt.method, rt.pattern, status, got)
			}
			// Nor does it tell whether the principal exists.
			if s, other := e.do(rt.method, pathOf(rt, "nobody"), auth, body); s != status || other != got {
				t.Errorf("%s %s: an absent principal gives %d %s", rt.method, rt.pattern, s, other)
			}
		}
	}
	if !e.signsIn("admin", e.password) {
		t.Error("the admin cannot sign in")
	}
}

// pathOf fills the pattern of a route.
func pathOf(rt route, name string) string {
	return admin.Prefix + strings.NewReplacer("{id}", name, "{name}", name, "{name...}", name, "{password}", "password1", "{key}", "key").Replace(rt.pattern)
}

// TestTokenForLess has the owner's token for a repository not manage.
func TestTokenForLess(t *testing.T) {
	e := newEnv(t)
	s, err := e.ident.SignIn(t.Context(), meta.DefaultRegistry, netip.Addr{}, "admin", e.password)
	if err != nil {
		t.Fatal(err)
	}
	for scope, want := range map[string]int{"repository:*:*": 401, "registry:catalog:*": 401, "registry:principals:manage": 200} {
		token, err := e.ident.AccessToken(s, meta.DefaultRegistry, "x", authz.ParseScopes(scope))
		if err != nil {
			t.Fatal(err)
		}
		if status, body := e.do("GET", "/api/v1/service-principals", "Bearer "+token, ""); status != want {
			t.Errorf("%s: %d %s", scope, status, body)
		}
	}
}

func TestBadRequests(t *testing.T) {
	e := newEnv(t)
	long := strings.Repeat("x", maxName+1)
	many := `"a"` + strings.Repeat(`,"a"`, maxRepositories)
	for body, want := range map[string]int{
		``:                        400,
		`{`:                       400,
		`[]`:                      400,
		`null`:                    400,
		`{"name":"a"}`:            400,
		`{"roles":["AcrPull"]}`:   400,
		`{"name":"a","roles":[]}`: 400,
		`{"name":"a","roles":["AcrPull"` + strings.Repeat(`,"AcrPull"`, maxRoles) + `]}`: 400,
		`{"name":"a","roles":["AcrPull","root"]}`:                                        400,
		`{"name":"a","roles":["root"]}`:                                                  400,
		`{"name":"","roles":["AcrPull"]}`:                                                400,
		`{"name":"` + long + `","roles":["AcrPull"]}`:                                    400,
		`{"name":"a\u001b[31m","roles":["AcrPull"]}`:                                     400,
		`{"name":"a","roles":["AcrPull"],"repositories":[""]}`:                           400,
		`{"name":"a","roles":["AcrPull"],"repositories":["A"]}`:                          400,
		`{"name":"a","roles":["AcrPull"],"repositories":["*"]}`:                          400,
		`{"name":"a","roles":["AcrPull"],"repositories":["../a"]}`:                       400,
		`{"name":"a","roles":["AcrPull"],"repositories":[` + many + `]}`:                 400,
		`{"name":"a","roles":["AcrPull"],"password":"x"}`:                                400,
		`{"name":"a","roles":["AcrPull"]}{}`:                                             400,
		`{"name":"a","roles":["AcrPull"],"x":"` + strings.Repeat("x", 70000) + `"`:       413,
		`{"name":"a","roles":["AcrPull"]}`:                                               201,
	} {
		status, got := e.do("POST", "/api/v1/service-principals", basic("admin", e.password), body)
		if status != want {
			t.Errorf("%.100s: %d %s", body, status, got)
		}
		if status >= 400 && !strings.HasPrefix(got, `{"errors":[{"code":"`) {
			t.Errorf("%.100s: %s", body, got)
		}
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/api/v1/", 404}, {"GET", "/api/v1/people", 404}, {"PUT", "/api/v1/service-principals", 405},
		{"DELETE", "/api/v1/service-principals/nobody", 404}, {"POST", "/api/v1/service-principals/nobody/credential", 404},
		{"GET", "/api/v1/service-principals/x/y/z", 404}, {"DELETE", "/api/v1/users/nobody", 404}, {"DELETE", "/api/v1/users/admin", 404},
	} {
		if status, got := e.do(c.method, c.path, basic("admin", e.password), ""); status != c.status || !strings.HasPrefix(got, `{"errors"`) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, got)
		}
	}
	// A form of another site's page.
	r, err := http.NewRequestWithContext(t.Context(), "POST", e.srv.URL+"/api/v1/service-principals", strings.NewReader(`{"name":"a","roles":["AcrPull"]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", basic("admin", e.password))
	r.Header.Set("Content-Type", "text/plain")
	resp, err := e.srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 415 {
		t.Errorf("text/plain: %d", resp.StatusCode)
	}
}

func TestClientErrors(t *testing.T) {
	e := newEnv(t)
	p, secret, err := e.ident.CreateServicePrincipal(t.Context(), meta.DefaultRegistry, "ci", []meta.RoleAssignment{{Role: authz.AcrPull}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.client(p.Name, secret).CreateServicePrincipal(t.Context(), admin.NewServicePrincipal{Name: "x", Roles: []string{"AcrPull"}})
	if !errors.Is(err, orlop.ErrDenied) && !errors.Is(err, orlop.ErrUnauthorized) {
		t.Errorf("without the right: %v", err)
	}
	_, err = e.client("admin", "wrong").ResetCredential(t.Context(), p.ID, admin.NewSecret{})
	if !errors.Is(err, orlop.ErrUnauthorized) {
		t.Errorf("with a wrong password: %v", err)
	}
	if strings.Contains(fmt.Sprint(err), "wrong") {
		t.Errorf("the error shows the password: %v", err)
	}
}
