package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/federation/issuertest"
	"github.com/orlop/orlop/internal/meta"
)

// guest asks the registry at a host.
type guest struct {
	*caller
	host string
}

func (g *guest) ask(method, path, body string, header ...string) *httptest.ResponseRecorder {
	g.t.Helper()
	r := httptest.NewRequestWithContext(g.t.Context(), method, "https://"+g.host+path, strings.NewReader(body))
	if g.authorization != "" {
		r.Header.Set("Authorization", g.authorization)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.s.ServeHTTP(w, r)
	return w
}

// want demands a status.
func (g *guest) want(status int, method, path, body string, header ...string) *httptest.ResponseRecorder {
	g.t.Helper()
	w := g.ask(method, path, body, header...)
	if w.Code != status {
		g.t.Errorf("%s %s%s: %d, not %d: %s", method, g.host, path, w.Code, status, w.Body)
	}
	return w
}

// push stores an artifact of one layer under a tag.
func (g *guest) push(repo, tag, layer string) (manifest digest.Digest) {
	g.t.Helper()
	for _, blob := range []string{"{}", layer} {
		g.want(201, "POST", "/v2/"+repo+"/blobs/uploads/?digest="+digest.FromString(blob).String(), blob)
	}
	raw := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`+
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"%s","size":2},"layers":[{"mediaType":"text/plain","digest":"%s","size":%d}]}`,
		digest.FromString("{}"), digest.FromString(layer), len(layer))
	g.want(201, "PUT", "/v2/"+repo+"/manifests/"+tag, raw, "Content-Type", "application/vnd.oci.image.manifest.v1+json")
	return digest.FromString(raw)
}

// openTwo opens a server with the registries myregistry and another, and returns
// an owner of the server at each, and at a host that names none.
func openTwo(t *testing.T, configure func(*config.Config)) (s *Server, mine, other, nobody *guest) {
	t.Helper()
	s, _ = open(t, func(c *config.Config) {
		c.Domain = []string{"test"}
		if configure != nil {
			configure(c)
		}
	})
	admin := newAdmin(t, s)
	mine, other, nobody = &guest{admin, "myregistry.test"}, &guest{admin, "another.test:5443"}, &guest{admin, "nobody.test"}
	w := mine.want(201, "POST", "/api/v1/registries", `{"name":"another"}`, "Content-Type", "application/json")
	if !strings.Contains(w.Body.String(), `"loginServer":"another.test"`) {
		t.Fatal(w.Body)
	}
	return s, mine, other, nobody
}

// TestRegistriesByHost: the same repository in two registries has nothing in
// common, whatever route it is asked by; a host that names no registry answers
// nothing of any.
func TestRegistriesByHost(t *testing.T) {
	_, mine, other, nobody := openTwo(t, nil)
	large := strings.Repeat("large enough for an object of its own ", 2000)
	manifest := mine.push("samples/app", "1.0", "a secret of mine")
	mine.push("samples/app", "large", large)
	theirs := other.push("samples/app", "1.0", "something else")
	if manifest == theirs {
		t.Fatal("the manifests are one")
	}
	for _, layer := range []string{"a secret of mine", large} {
		d := digest.FromString(layer).String()
		mine.want(200, "GET", "/v2/samples/app/blobs/"+d, "")
		for _, method := range []string{"GET", "HEAD", "DELETE"} {
			other.want(404, method, "/v2/samples/app/blobs/"+d, "")
		}
		for _, from := range []string{"", "&from=samples/app"} {
			other.want(202, "POST", "/v2/samples/app/blobs/uploads/?mount="+d+from, "")
			other.want(202, "POST", "/v2/samples/copy/blobs/uploads/?mount="+d+from, "")
		}
		other.want(404, "GET", "/v2/samples/app/blobs/"+d, "")
	}
	for _, path := range []string{"/v2/samples/app/manifests/" + manifest.String(), "/v2/samples/app/manifests/large", "/acr/v1/samples/app/_manifests/" + manifest.String(), "/acr/v1/samples/app/_tags/large"} {
		mine.want(200, "GET", path, "")
		other.want(404, "GET", path, "")
	}
	if w := other.want(200, "GET", "/v2/samples/app/manifests/1.0", ""); digest.FromBytes(w.Body.Bytes()) != theirs {
		t.Error("the tag of one registry gives the manifest of another")
	}
	// An upload of one registry cannot be gone on with at another.
	location := mine.want(202, "POST", "/v2/samples/app/blobs/uploads/", "").Header().Get("Location")
	other.want(404, "PATCH", location, "x")
	// What one deletes stays with the other.
	other.want(202, "DELETE", "/acr/v1/samples/app", "")
	mine.want(200, "GET", "/v2/samples/app/manifests/1.0", "")
	for _, path := range []string{"/v2/", "/v2/samples/app/manifests/1.0", "/acr/v1/samples/app", "/acr/v1/_catalog", "/api/v1/registry", "/oauth2/token", "/subscriptions", "/adfs/.well-known/openid-configuration"} {
		w := nobody.want(404, "GET", path, "")
		if body := w.Body.String(); !strings.Contains(body, "NAME_UNKNOWN") || w.Header().Get("Www-Authenticate") != "" {
			t.Errorf("%s: %s %v", path, body, w.Header())
		}
	}
	outside := &guest{mine.caller, "localhost:5000"} // names none, and is not under the domain
	outside.want(200, "GET", "/v2/samples/app/manifests/large", "")
}

// TestForeignPermissions walks every route of the server as an Owner of one
// registry who asks at another, by tokens of the own: nothing is open, and nothing
// tells what is there.
func TestForeignPermissions(t *testing.T) {
	s, mine, other, _ := openTwo(t, nil)
	mine.push("own/app", "1.0", "mine")
	reg, err := s.registries.Named(t.Context(), "another")
	if err != nil {
		t.Fatal(err)
	}
	p, secret, err := s.authn.CreateServicePrincipal(t.Context(), reg.ID, "owner", []meta.RoleAssignment{{Role: authz.Owner}})
	if err != nil {
		t.Fatal(err)
	}
	stranger := &guest{&caller{t, s, basicly(p.Name, secret)}, other.host}
	stranger.want(200, "GET", "/v2/", "")
	token := func(scope string) string {
		w := stranger.want(200, "GET", "/oauth2/token?scope="+url.QueryEscape(scope), "")
		var out struct {
			Token string `json:"access_token"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Token == "" {
			t.Fatal(w.Body)
		}
		return out.Token
	}
	for route, need := range needs {
		if need == issuing {
			continue
		}
		method, pattern, _ := strings.Cut(route, " ")
		g := &guest{&caller{t, s, "Bearer " + token(scopeOf(need, "own/app"))}, mine.host}
		there, absent := g.want(401, method, target(pattern, "own/app"), ""), g.want(401, method, target(pattern, "own/nil"), "")
		if strings.ReplaceAll(there.Body.String(), "own/app", "own/nil") != absent.Body.String() {
			t.Errorf("%s tells what is there", route)
		}
	}
	// The password too is a wrong one there, and counts as such.
	for _, path := range []string{"/v2/", "/v2/own/app/tags/list", "/api/v1/users"} {
		(&guest{stranger.caller, mine.host}).want(401, "GET", path, "")
	}
}

// TestDeletedRegistry: a deleted registry is gone at once, and the collector takes
// all that it held.
func TestDeletedRegistry(t *testing.T) {
	s, mine, other, _ := openTwo(t, nil)
	other.push("samples/app", "1.0", "small")
	other.push("samples/large", "1.0", strings.Repeat("large enough for an object of its own ", 2000))
	other.want(200, "PATCH", "/acr/v1/samples/app", `{"deleteEnabled":false,"writeEnabled":false}`)
	other.push("samples/gone", "1.0", "deleted before")
	other.want(202, "DELETE", "/acr/v1/samples/gone", "")
	other.want(202, "POST", "/v2/samples/app2/blobs/uploads/", "")
	mine.push("samples/app", "1.0", "small")
	mine.want(204, "DELETE", "/api/v1/registries/another", "")
	mine.want(404, "DELETE", "/api/v1/registries/another", "")
	mine.want(409, "DELETE", "/api/v1/registries/myregistry", "")
	other.want(404, "GET", "/v2/samples/app/manifests/1.0", "")
	mine.want(201, "POST", "/api/v1/registries", `{"name":"another"}`, "Content-Type", "application/json")
	other.want(404, "GET", "/v2/samples/app/manifests/1.0", "") // another of the same name
	if _, err := s.collector.Cycle(t.Context()); err != nil {
		t.Fatal(err)
	}
	mine.want(200, "GET", "/v2/samples/app/manifests/1.0", "")
}

// TestAnonymousPullOfOne opens one registry to everybody.
func TestAnonymousPullOfOne(t *testing.T) {
	_, mine, other, _ := openTwo(t, nil)
	mine.push("samples/app", "1.0", "mine")
	other.push("samples/app", "1.0", "theirs")
	other.want(200, "PATCH", "/api/v1/access", `{"anonymousPullEnabled":true}`, "Content-Type", "application/json")
	nobody := &caller{mine.t, mine.s, ""}
	(&guest{nobody, other.host}).want(200, "GET", "/v2/samples/app/manifests/1.0", "")
	(&guest{nobody, mine.host}).want(401, "GET", "/v2/samples/app/manifests/1.0", "")
}

// TestIssuersAreReadAgain: a change of the file counts for tokens that were got
// before, and a broken one changes nothing.
func TestIssuersAreReadAgain(t *testing.T) {
	issuer := issuertest.New(t, time.Now())
	text := strings.ReplaceAll(federationFile, "ISSUER", issuer.URL)
	var file string
	s, log := open(t, func(c *config.Config) {
		trust(t, t.TempDir(), text)(c)
		file = c.FederationFile
	})
	newAdmin(t, s).seed("own/app")
	_, job := exchange(t, s, issuer.Token(nil), "repository:own/app:pull")
	rewrite := func(text string, want int) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.federation.look()
		if w := job.ask("GET", "/v2/own/app/tags/list", ""); w.Code != want {
			t.Errorf("%d, not %d: %s", w.Code, want, log)
		}
	}
	rewrite(text+"# looked over\n", 200)
	rewrite("issuers: [{issuer: 'http://a'}]", 200) // cannot be used
	rewrite(strings.ReplaceAll(text, "name: builds", "name: builds-of-others"), http.StatusUnauthorized)
}
