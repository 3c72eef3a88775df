package server

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/federation/issuertest"
)

const federationFile = `
issuers:
  - issuer: ISSUER
    audience: myregistry.example
    allow-loopback: true
    rules:
      - name: builds
        claims: {repository: example/app, ref: refs/heads/*}
        roles: [{role: AcrPush, repository: own/*}]
      - name: ann
        claims: {sub: ann}
        principal: ann
`

// trust writes a federation file and returns what configures a server with it.
func trust(t *testing.T, data string, text string) func(*config.Config) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "federation.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) { c.FederationFile, c.Data = file, data }
}

// exchange gets tokens of the registry for one of an issuer.
func exchange(t *testing.T, s *Server, token, scope string) (refresh string, c *caller) {
	t.Helper()
	a := &account{t: t, s: s}
	refresh = a.post("/oauth2/exchange", "grant_type=access_token&service=example.com&access_token="+url.QueryEscape(token))["refresh_token"]
	access := a.post("/oauth2/token", "grant_type=refresh_token&scope="+url.QueryEscape(scope)+"&refresh_token="+refresh)["access_token"]
	return refresh, &caller{t, s, "Bearer " + access}
}

// TestFederation: a job shows the token of its issuer, and may do what the rule
// says while the rule is there.
func TestFederation(t *testing.T) {
	issuer := issuertest.New(t, time.Now())
	text := strings.ReplaceAll(federationFile, "ISSUER", issuer.URL)
	data := t.TempDir()
	var refresh string
	t.Run("trusted", func(t *testing.T) {
		s, log := open(t, trust(t, data, text))
		newAdmin(t, s).seed("other/app")
		token := issuer.Token(nil)
		var job *caller
		refresh, job = exchange(t, s, token, "repository:own/app:pull,push repository:other/app:pull")
		if refresh == "" {
			t.Fatalf("no token: %s", log)
		}
		job.seed("own/app")
		for path, want := range map[string]int{"/v2/own/app/tags/list": 200, "/v2/other/app/tags/list": 401, "/v2/other/nil/tags/list": 401} {
			if w := job.ask("GET", path, ""); w.Code != want {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		if w := job.ask("DELETE", "/v2/own/app/manifests/1.0", ""); w.Code != 401 {
			t.Errorf("deletion: %d", w.Code)
		}
		for name, bad := range map[string]string{
			"no rule": issuer.Token(map[string]any{"repository": "evil/app"}), "nobody of that name": issuer.Token(map[string]any{"sub": "ann", "repository": nil}),
			"too long": token + strings.Repeat("x", 40<<10),
		} {
			if r, _ := exchange(t, s, bad, "repository:own/app:pull"); r != "" {
				t.Errorf("%s: accepted", name)
			}
		}
		if w := (&caller{t, s, "Bearer " + token}).ask("GET", "/v2/own/app/tags/list", ""); w.Code != 401 {
			t.Errorf("the data plane takes the issuer's token: %d", w.Code)
		}
		if strings.Contains(log.String(), token[len(token)-40:]) || strings.Contains(log.String(), refresh[len(refresh)-40:]) {
			t.Error("a token is in the log") // threat S14
		}
	})
	t.Run("the rule is gone", func(t *testing.T) {
		s, _ := open(t, trust(t, data, strings.ReplaceAll(text, "name: builds", "name: others")))
		a := &account{t: t, s: s}
		if got := a.post("/oauth2/token", "grant_type=refresh_token&scope=repository:own/app:pull&refresh_token="+refresh); got != nil {
			t.Error("what was got by the rule is still good")
		}
	})
	t.Run("a principal", func(t *testing.T) {
		s, _ := open(t, trust(t, data, text))
		token := issuer.Token(map[string]any{"sub": "ann", "repository": nil})
		if _, _, err := s.authn.CreateUser(t.Context(), reg, "ann", "", nil); err != nil {
			t.Fatal(err)
		}
		if r, _ := exchange(t, s, token, ""); r != "" {
			t.Error("who has no role gets a token")
		}
		newAdmin(t, s)
		if err := s.authn.Assign(t.Context(), reg, "ann", pullOwn); err != nil {
			t.Fatal(err)
		}
		_, ann := exchange(t, s, token, "repository:own/app:pull,push")
		if w := ann.ask("GET", "/v2/own/app/tags/list", ""); w.Code != 200 {
			t.Errorf("ann: %d %s", w.Code, w.Body)
		}
		if w := ann.ask("POST", "/v2/own/app/blobs/uploads/", ""); w.Code != 401 {
			t.Errorf("ann pushes: %d", w.Code)
		}
		if err := s.authn.SetDisabled(t.Context(), reg, "user", "ann", true); err != nil {
			t.Fatal(err)
		}
		if w := ann.ask("GET", "/v2/own/app/tags/list", ""); w.Code != 401 {
			t.Errorf("ann is disabled: %d", w.Code)
		}
	})
}

func TestBadFederationFile(t *testing.T) {
	cfg := config.Default()
	trust(t, t.TempDir(), "issuers: [{issuer: 'http://a'}]")(&cfg)
	if s, err := Open(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), "federation-file") {
		t.Errorf("%v, %v", s, err)
	}
}
