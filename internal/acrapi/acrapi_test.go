package acrapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/registry"
)

// env is the API on a real engine.
type env struct {
	t     *testing.T
	srv   *httptest.Server
	reg   *registry.Registry // filled without HTTP
	ident *authn.Authenticator
	gc    *gc.Collector
}

func newEnv(t *testing.T) *env {
	t.Helper()
	return newEnvOn(t, sqlmeta.Options{KeepDeleted: 7 * 24 * time.Hour})
}

func newEnvOn(t *testing.T, o sqlmeta.Options) *env {
	t.Helper()
	db, err := sqlmeta.Open(t.Context(), filepath.Join(t.TempDir(), "orlop.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	blobs := mem.New(mem.Options{})
	engine, err := registry.New(db, blobs, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ident, err := authn.New(t.Context(), db, authn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(New(Options{Engine: engine.Registry, Gate: gate.New(gate.Options{Authn: ident})}))
	t.Cleanup(func() {
		srv.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &env{t, srv, engine.Registry(meta.DefaultRegistry, registry.Actor{}), ident, gc.New(db, blobs, gc.Options{Cache: engine})}
}

// push stores an artifact with the given tags and returns its digest.
func (e *env) push(repo string, tags ...string) digest.Digest {
	e.t.Helper()
	blob := ocispec.Descriptor{MediaType: "application/vnd.unknown.config.v1+json", Digest: digest.FromString("{}"), Size: 2}
	if err := e.reg.PushBlob(e.t.Context(), repo, blob, strings.NewReader("{}")); err != nil {
		e.t.Fatal(err)
	}
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[],"annotations":{"tags":%q}}`,
		ocispec.MediaTypeImageManifest, blob.MediaType, blob.Digest, strings.Join(tags, ","))
	desc, err := e.reg.PushManifest(e.t.Context(), repo, ocispec.MediaTypeImageManifest, raw, tags...)
	if err != nil {
		e.t.Fatal(err)
	}
	return desc.Digest
}

// as returns a function that sends requests without a body as a new principal.
func (e *env) as(role string) func(method, path string, status int) (string, http.Header) {
	send := e.sender(role)
	return func(method, path string, status int) (string, http.Header) {
		e.t.Helper()
		return send(method, path, "", status)
	}
}

// sender returns a function that sends requests as a new principal.
func (e *env) sender(role string) func(method, path, body string, status int) (string, http.Header) {
	e.t.Helper()
	p, secret, err := e.ident.CreateServicePrincipal(e.t.Context(), meta.DefaultRegistry, role, []meta.RoleAssignment{{Role: role}})
	if err != nil {
		e.t.Fatal(err)
	}
	return func(method, path, body string, status int) (string, http.Header) {
		e.t.Helper()
		req, err := http.NewRequestWithContext(e.t.Context(), method, e.srv.URL+path, strings.NewReader(body))
		if err != nil {
			e.t.Fatal(err)
		}
		req.SetBasicAuth(p.Name, secret)
		res, err := e.srv.Client().Do(req)
		if err != nil {
			e.t.Fatal(err)
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			e.t.Fatal(err)
		}
		if res.StatusCode != status {
			e.t.Errorf("%s %s %s: status %d, want %d: %s", method, path, body, res.StatusCode, status, answer)
		}
		return string(answer), res.Header
	}
}

var anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z`)

func TestShow(t *testing.T) {
	e := newEnv(t)
	d := e.push("samples/artifact", "1.0", "1.1")
	do := e.as("Owner")
	login := strings.TrimPrefix(e.srv.URL, "http://")
	head := `{"registry":"` + login + `","imageName":"samples/artifact",`
	const times = `"createdTime":"T","lastUpdateTime":"T"`
	const attrs = `"changeableAttributes":{"deleteEnabled":true,"writeEnabled":true,"readEnabled":true,"listEnabled":true`
	tag := func(name string) string {
		return `{"name":"` + name + `","digest":"` + d.String() + `",` + times + `,"signed":false,` + attrs + `}}`
	}
	for path, want := range map[string]string{
		"/acr/v1/_catalog":                              `{"repositories":["samples/artifact"]}`,
		"/acr/v1/samples%2Fartifact":                    head + times + `,"manifestCount":1,"tagCount":2,` + attrs + `,"teleportEnabled":false}}`,
		"/acr/v1/samples/artifact/_tags":                head + `"tags":[` + tag("1.0") + `,` + tag("1.1") + `]}`,
		"/acr/v1/samples/artifact/_tags?n=0":            head + `"tags":null}`,
		"/acr/v1/samples/artifact/_tags?last=1.1":       head + `"tags":null}`,
		"/acr/v1/samples/artifact/_tags?digest=" + dgst: head + `"tags":null}`,
		"/acr/v1/samples/artifact/_tags/1.1":            head + `"tag":` + tag("1.1") + `}`,
	} {
		body, _ := do("GET", path, http.StatusOK)
		if got := anyTime.ReplaceAllString(body, "T"); strings.TrimSpace(got) != want {
			t.Errorf("%s:\n got %s\nwant %s", path, got, want)
		}
	}
	body, _ := do("GET", "/acr/v1/samples/artifact/_manifests/"+d.String(), http.StatusOK)
	var one struct {
		Manifest struct {
			Digest, MediaType, ConfigMediaType string
			ImageSize                          int64
			Tags                               []string
		}
	}
	if err := json.Unmarshal([]byte(body), &one); err != nil || one.Manifest.Digest != d.String() || len(one.Manifest.Tags) != 2 ||
		one.Manifest.ImageSize == 0 || one.Manifest.ConfigMediaType != "application/vnd.unknown.config.v1+json" {
		t.Errorf("manifest: %s, %v", body, err)
	}
}

// TestUnknown wants the code of the thing that is not there.
func TestUnknown(t *testing.T) {
	e := newEnv(t)
	e.push("a", "x")
	do := e.as("Owner")
	for call, code := range map[string]string{
		"GET /acr/v1/none":                    orlop.CodeNameUnknown,
		"DELETE /acr/v1/none":                 orlop.CodeNameUnknown,
		"GET /acr/v1/none/_tags":              orlop.CodeNameUnknown,
		"GET /acr/v1/none/_tags/x":            orlop.CodeNameUnknown,
		"GET /acr/v1/none/_manifests":         orlop.CodeNameUnknown,
		"GET /acr/v1/none/_manifests/" + dgst: orlop.CodeNameUnknown,
		"GET /acr/v1/a/_tags/none":            orlop.CodeTagUnknown,
		"GET /acr/v1/a/_manifests/" + dgst:    orlop.CodeManifestUnknown,
		"GET /acr/v1/a/_manifests/x":          orlop.CodeManifestUnknown,
		"PATCH /acr/v1/none":                  orlop.CodeNameUnknown,
		"PATCH /acr/v1/none/_tags/x":          orlop.CodeNameUnknown,
		"PATCH /acr/v1/a/_tags/none":          orlop.CodeTagUnknown,
		"PATCH /acr/v1/a/_manifests/" + dgst:  orlop.CodeManifestUnknown,
		"GET /acr/v1/_deleted/a":              orlop.CodeUnsupported,
		"GET /acr/v1/_deleted/a/_tags/x":      orlop.CodeUnsupported,
	} {
		method, path, _ := strings.Cut(call, " ")
		if body, _ := do(method, path, http.StatusNotFound); !strings.Contains(body, `"code":"`+code+`"`) {
			t.Errorf("%s: %s, want %s", call, body, code)
		}
	}
	for call, allowed := range map[string]string{
		"PATCH /acr/v1/a/_tags": "GET, HEAD", "POST /acr/v1/a": "DELETE, GET, PATCH, HEAD", "GET /acr/v1/_deleted/a/_manifests/" + dgst: "POST",
	} {
		method, path, _ := strings.Cut(call, " ")
		if _, h := do(method, path, http.StatusMethodNotAllowed); h.Get("Allow") != allowed {
			t.Errorf("%s: Allow %q, want %q", call, h.Get("Allow"), allowed)
		}
	}
}

func TestPages(t *testing.T) {
	e := newEnv(t)
	for i := range 5 {
		e.push("a", fmt.Sprintf("t%d", i))
	}
	many := e.push("b/c", "t0", "t1", "t2", "t3", "t4")
	e.push("b/c", "other")
	do := e.as("Owner")
	for _, path := range []string{
		"/acr/v1/b%2Fc/_tags?n=2&digest=" + many.String(), "/acr/v1/b%2Fc/_tags?n=2&orderby=timedesc&digest=" + url.QueryEscape(many.String()),
		"/acr/v1/a/_tags?n=2&orderby=none", "/acr/v1/a/_tags?orderby=&n=2&last=",
		"/acr/v1/a/_tags?n=2", "/acr/v1/a/_tags?n=2&orderby=timedesc", "/acr/v1/a/_tags?n=1&orderby=timeasc",
		"/acr/v1/a/_manifests?n=2", "/acr/v1/a/_manifests?n=3&orderby=timedesc",
	} {
		seen := map[string]bool{}
		for next := path; next != ""; {
			body, h := do("GET", next, http.StatusOK)
			var list struct {
				Tags, Manifests []struct{ Name, Digest string }
			}
			if err := json.Unmarshal([]byte(body), &list); err != nil {
				t.Fatal(err)
			}
			for _, item := range append(list.Tags, list.Manifests...) {
				if seen[item.Name+item.Digest] {
					t.Errorf("%s: %v again", next, item)
				}
				seen[item.Name+item.Digest] = true
			}
			next, _ = strings.CutSuffix(strings.TrimPrefix(h.Get("Link"), "<"), `>; rel="next"`)
			if next == path {
				t.Fatalf("%s goes on with itself", path)
			}
			_, query, _ := strings.Cut(next, "?")
			for item := range strings.SplitSeq(query, "&") { // the Azure CLI takes it apart so
				if next != "" && (!strings.Contains(item, "=") || strings.Contains(item, "+")) {
					t.Errorf("Link of %s: %s", path, next)
				}
			}
		}
		if len(seen) != 5 {
			t.Errorf("%s: %d items", path, len(seen))
		}
	}
}

func TestDelete(t *testing.T) {
	e := newEnv(t)
	d := e.push("a/b", "x", "y")
	do := e.as("Owner")
	if body, _ := do("DELETE", "/acr/v1/a%2Fb/_tags/x", http.StatusAccepted); body != "" {
		t.Errorf("body of an untag: %s", body)
	}
	do("GET", "/acr/v1/a/b/_tags/x", http.StatusNotFound)
	do("GET", "/acr/v1/a/b/_manifests/"+d.String(), http.StatusOK)
	body, _ := do("DELETE", "/acr/v1/a/b", http.StatusAccepted)
	if want := `{"manifestsDeleted":["` + d.String() + `"],"tagsDeleted":["y"]}`; strings.TrimSpace(body) != want {
		t.Errorf("got %s, want %s", body, want)
	}
	do("GET", "/acr/v1/a/b", http.StatusNotFound)
	if body, _ := do("GET", "/acr/v1/_catalog", http.StatusOK); strings.TrimSpace(body) != `{"repositories":null}` {
		t.Errorf("catalog of nothing: %s", body)
	}
}

// TestIndexReferences shows the platforms of an index.
func TestIndexReferences(t *testing.T) {
	want := []reference{{Digest: dgst, Architecture: "arm64", OS: "linux"}, {Digest: "sha256:x"}}
	got := references([]byte(`{"manifests":[{"digest":"` + dgst + `","platform":{"architecture":"arm64","os":"linux"}},{"digest":"sha256:x"}]}`))
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v", got)
	}
	if got := references([]byte("{")); got != nil {
		t.Errorf("of nonsense: %v", got)
	}
}

// TestRights lets each role do what is its own.
func TestRights(t *testing.T) {
	e := newEnv(t)
	e.push("a", "x", "y")
	for _, c := range []struct {
		role         string
		read, remove int
	}{
		{"AcrPull", http.StatusOK, http.StatusForbidden},
		{"Reader", http.StatusOK, http.StatusForbidden},
		{"AcrDelete", http.StatusForbidden, http.StatusAccepted},
	} {
		do := e.as(c.role)
		do("GET", "/acr/v1/a/_tags/y", c.read)
		do("DELETE", "/acr/v1/a/_tags/x", c.remove)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", e.srv.URL+"/acr/v1/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := e.srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if want := `scope="repository:a:metadata_read"`; res.StatusCode != http.StatusUnauthorized || !strings.Contains(res.Header.Get("Www-Authenticate"), want) {
		t.Errorf("status %d, challenge %s", res.StatusCode, res.Header.Get("Www-Authenticate"))
	}
}

// TestEveryRouteHasARule asks for a repository that is there and for one that is
// not, as those who may see neither: the answers are alike, and no.
func TestEveryRouteHasARule(t *testing.T) {
	e := newEnv(t)
	d := e.push("secret", "v1")
	paths := [...]string{
		kindCatalog: "", kindRepository: "R", kindTags: "R/_tags", kindTag: "R/_tags/v1",
		kindManifests: "R/_manifests", kindManifest: "R/_manifests/" + d.String(),
		kindDeletedCatalog: "", kindDeletedTags: "_deleted/R/_tags",
		kindDeletedManifests: "_deleted/R/_manifests", kindDeletedManifest: "_deleted/R/_manifests/" + d.String(),
	}
	if len(paths) != len(table) {
		t.Fatal("a kind of route has no path in this test")
	}
	p, secret, err := e.ident.CreateServicePrincipal(t.Context(), meta.DefaultRegistry, "bob", []meta.RoleAssignment{{Role: "Owner", Prefix: "bob/*"}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, repo, path, user string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, e.srv.URL+"/acr/v1/"+strings.ReplaceAll(path, "R", repo), nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			req.SetBasicAuth(user, secret)
		}
		res, err := e.srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header.Get("Www-Authenticate") + string(body)
	}
	for kind, path := range paths {
		if path == "" {
			continue
		}
		for method := range table[kind] {
			for user, want := range map[string]int{"": http.StatusUnauthorized, p.Name: http.StatusForbidden} {
				status, there := ask(method, "secret", path, user)
				other, absent := ask(method, "absent", path, user)
				if status != want || other != want || strings.ReplaceAll(there, "secret", "absent") != absent {
					t.Errorf("%s %s as %q: %d %s if it is there, %d %s if not", method, path, user, status, there, other, absent)
				}
			}
		}
	}
	for _, catalog := range []string{"_catalog", "_deleted/_catalog"} {
		if status, _ := ask("GET", "", catalog, ""); status != http.StatusUnauthorized {
			t.Errorf("%s for nobody: %d", catalog, status)
		}
		if status, body := ask("GET", "", catalog, p.Name); status != http.StatusOK || strings.Contains(body, "secret") {
			t.Errorf("%s for bob: %d %s", catalog, status, body)
		}
	}
}
