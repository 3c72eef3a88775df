package federation

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/federation/issuertest"
	"github.com/orlop/orlop/internal/meta"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

const trusted = `
issuers:
  - issuer: ISSUER
    audience: myregistry.example
    allow-loopback: true
    rules:
      - name: main
        claims: {repository: example/app, ref: refs/heads/main}
        roles: [{role: AcrPush, repository: samples/*}, {role: AcrDelete, repository: samples/app}]
      - name: branches
        claims: {repository: example/*, ref: refs/heads/*}
        roles: [{role: AcrPull}]
      - name: ann
        claims: {sub: ann, groups: builders, email_verified: "true"}
        principal: ann
`

func newFederation(t *testing.T, i *issuertest.Issuer) *Federation {
	t.Helper()
	c, err := parse([]byte(strings.ReplaceAll(trusted, "ISSUER", i.URL)))
	if err != nil {
		t.Fatal(err)
	}
	return New(c, Options{Now: func() time.Time { return now }})
}

func TestRules(t *testing.T) {
	i := issuertest.New(t, now)
	f := newFederation(t, i)
	for name, c := range map[string]struct {
		change map[string]any
		rule   string // "": refused
	}{
		"exact":                    {nil, "main"},
		"prefix":                   {map[string]any{"ref": "refs/heads/feature"}, "branches"},
		"another repository":       {map[string]any{"repository": "evil/app"}, ""},
		"prefix of the value only": {map[string]any{"repository": "example"}, ""},
		"a tag":                    {map[string]any{"ref": "refs/tags/refs/heads/main"}, ""},
		"claim absent":             {map[string]any{"repository": nil}, ""},
		"claim of another type":    {map[string]any{"repository": 7}, ""},
		"claim is null":            {map[string]any{"repository": json.RawMessage("null")}, ""},
		"a list and true":          {map[string]any{"sub": "ann", "repository": nil, "groups": []string{"people", "builders"}, "email_verified": true}, "ann"},
		"one of three":             {map[string]any{"sub": "ann", "repository": nil, "groups": []string{"people"}, "email_verified": true}, ""},
		"false":                    {map[string]any{"sub": "ann", "repository": nil, "groups": "builders", "email_verified": false}, ""},
		"several audiences":        {map[string]any{"aud": []string{"other.example", issuertest.Audience}}, "main"},
	} {
		who, err := f.Verify(t.Context(), "", i.Token(c.change))
		if c.rule == "" && !errors.Is(err, authn.ErrBadCredentials) || c.rule != "" && err != nil || who.Rule != c.rule {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	r, ok := f.Rule("main")
	want := meta.RoleAssignment{Role: authz.AcrPush, Prefix: "samples/*"}
	if !ok || len(r.Roles) != 2 || r.Roles[0] != want {
		t.Errorf("%+v", r)
	}
	if _, ok := f.Rule("gone"); ok {
		t.Error("there is a rule that nobody wrote")
	}
}

// TestHostileTokens is threat S3 for tokens of issuers: each is refused, and
// none makes the server ask anybody but the issuer.
func TestHostileTokens(t *testing.T) {
	i := issuertest.New(t, now)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the token made the server ask for %s", r.URL)
	}))
	defer elsewhere.Close()
	f := newFederation(t, i)
	if _, err := f.Verify(t.Context(), "", i.Token(nil)); err != nil {
		t.Fatal(err)
	}
	good, err := json.Marshal(i.Claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&i.Key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	other := issuertest.NewKey(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	part := base64.RawURLEncoding.EncodeToString
	withHeader := func(header string) string {
		_, rest, _ := strings.Cut(i.Token(nil), ".")
		return part([]byte(header)) + "." + rest
	}
	duplicate := bytes.Replace(good, []byte(`{"aud"`), []byte(`{"repository":"evil/app","aud"`), 1)
	for name, token := range map[string]string{
		"empty":                     "",
		"no token":                  "a.b.c",
		"alg none":                  part([]byte(`{"alg":"none"}`)) + "." + part(good) + ".",
		"alg None and a signature":  withHeader(`{"alg":"None","kid":"first"}`),
		"HS256 with the public key": issuertest.Sign(t, jose.HS256, public, "first", good),
		"another key, same kid":     issuertest.Sign(t, jose.RS256, other, "first", good),
		"another key type":          issuertest.Sign(t, jose.ES256, ec, "first", good),
		"unknown kid":               issuertest.Sign(t, jose.RS256, other, "second", good),
		"kid is a path":             withHeader(`{"alg":"RS256","kid":"../../etc/passwd"}`),
		"jku":                       withHeader(`{"alg":"RS256","jku":"` + elsewhere.URL + `"}`),
		"x5u":                       withHeader(`{"alg":"RS256","kid":"first","x5u":"` + elsewhere.URL + `"}`),
		"crit":                      withHeader(`{"alg":"RS256","kid":"first","crit":["exp"],"exp":1}`),
		"wrong issuer":              i.Token(map[string]any{"iss": elsewhere.URL}),
		"issuer with a slash":       i.Token(map[string]any{"iss": i.URL + "/"}),
		"no issuer":                 i.Token(map[string]any{"iss": nil}),
		"wrong audience":            i.Token(map[string]any{"aud": "other.example"}),
		"no audience":               i.Token(map[string]any{"aud": nil}),
		"expired":                   i.Token(map[string]any{"exp": now.Add(-2 * time.Minute).Unix()}),
		"no expiry":                 i.Token(map[string]any{"exp": nil}),
		"expiry is text":            i.Token(map[string]any{"exp": "9999999999"}),
		"expiry is null":            i.Token(map[string]any{"exp": json.RawMessage("null")}),
		"not yet":                   i.Token(map[string]any{"nbf": now.Add(2 * time.Minute).Unix()}),
		"issued in the future":      i.Token(map[string]any{"iat": now.Add(time.Hour).Unix()}),
		"no subject":                i.Token(map[string]any{"sub": nil}),
		"long subject":              i.Token(map[string]any{"sub": strings.Repeat("x", maxSubject+1)}),
		"a claim twice":             issuertest.Sign(t, jose.RS256, i.Key, "first", duplicate),
		"no object":                 issuertest.Sign(t, jose.RS256, i.Key, "first", []byte(`["x"]`)),
		"edited claims":             strings.Replace(i.Token(nil), part(good)[:20], part(duplicate)[:20], 1),
		"JSON form":                 `{"payload":"` + part(good) + `","signatures":[]}`,
		"four parts":                i.Token(nil) + ".x",
		"a blank":                   " " + i.Token(nil),
	} {
		if who, err := f.Verify(t.Context(), "", token); !errors.Is(err, authn.ErrBadCredentials) || who.Rule != "" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

func TestSkew(t *testing.T) {
	i := issuertest.New(t, now)
	f := newFederation(t, i)
	for name, change := range map[string]map[string]any{
		"expired half a minute ago": {"exp": now.Add(-30 * time.Second).Unix()},
		"good in half a minute":     {"nbf": now.Add(30 * time.Second).Unix(), "iat": now.Add(30 * time.Second).Unix()},
	} {
		if _, err := f.Verify(t.Context(), "", i.Token(change)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeysAreCached: good tokens cost no request, and those with unknown keys
// only a few.
func TestKeysAreCached(t *testing.T) {
	i := issuertest.New(t, now)
	f := newFederation(t, i)
	for range 50 {
		if _, err := f.Verify(t.Context(), "", i.Token(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if n := i.Requests.Load(); n != 2 {
		t.Errorf("50 tokens cost %d requests", n)
	}
	i.Key, i.KeyID = issuertest.NewKey(t), "second" // as issuers do from time to time
	if _, err := f.Verify(t.Context(), "", i.Token(nil)); err != nil {
		t.Errorf("after a change of keys: %v", err)
	}
	other := issuertest.NewKey(t)
	payload, err := json.Marshal(i.Claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if _, err := f.Verify(t.Context(), "", issuertest.Sign(t, jose.RS256, other, "third", payload)); !errors.Is(err, authn.ErrBadCredentials) {
			t.Fatal(err)
		}
	}
	if n := i.Requests.Load(); n > fetchBurst+1 {
		t.Errorf("tokens with unknown keys cost %d requests", n)
	}
}

// TestIssuerFails has the issuer misbehave: its tokens are not taken, and it is
// told apart from a bad token.
func TestIssuerFails(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"error":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"another issuer": func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`{"issuer":"https://other.example","jwks_uri":"https://other.example/keys"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := issuertest.New(t, now)
			f := newFederation(t, i)
			token := i.Token(nil)
			i.Answer.Store(&answer)
			if _, err := f.Verify(t.Context(), "", token); !errors.Is(err, authn.ErrIssuerUnavailable) {
				t.Errorf("%v", err)
			}
			i.Answer.Store(nil)
			if _, err := f.Verify(t.Context(), "", token); err != nil {
				t.Errorf("when it is well again: %v", err)
			}
		})
	}
}

// TestLoopback: an issuer whose name leads to this machine, or whose keys do, is
// not asked unless the configuration says so.
func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": false, "[::1]:443": false, "[::ffff:127.0.0.1]:443": false, "0.0.0.0:443": false, "[::]:443": false,
		"169.254.169.254:80": false, "[fe80::1%lo]:80": false, "192.0.2.1:443": true, "[2001:db8::1]:443": true, "name:443": false,
	} {
		if err := checkAddress(address, false); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := checkAddress("127.0.0.1:80", true); err != nil {
		t.Error(err)
	}
	i := issuertest.New(t, now)
	f := New(&Config{Issuers: []Issuer{{Issuer: i.URL, Audience: issuertest.Audience}}}, Options{Now: func() time.Time { return now }})
	if _, err := f.Verify(t.Context(), "", i.Token(nil)); !errors.Is(err, authn.ErrIssuerUnavailable) || i.Requests.Load() != 0 {
		t.Errorf("%v, %d requests", err, i.Requests.Load())
	}
}

// TestProxy: an issuer is asked through the proxy that the configuration names,
// which may be on this machine where the issuer may not be.
func TestProxy(t *testing.T) {
	i := issuertest.New(t, now)
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Host == "" {
			t.Errorf("no request for a proxy: %s", r.URL)
		}
		i.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	issuer := Issuer{Issuer: i.URL, Audience: issuertest.Audience, Proxy: proxy.URL, Rules: []Rule{
		{Name: "main", Claims: map[string]string{"repository": "example/app"}, Principal: "ann"},
	}}
	f := New(&Config{Issuers: []Issuer{issuer}}, Options{Now: func() time.Time { return now }})
	if _, err := f.Verify(t.Context(), "", i.Token(nil)); !errors.Is(err, authn.ErrIssuerUnavailable) {
		t.Errorf("the keys lead to this machine: %v", err) // and the proxy would fetch them
	}
	issuer.AllowLoopback = true
	f.Use(&Config{Issuers: []Issuer{issuer}})
	if who, err := f.Verify(t.Context(), "", i.Token(nil)); err != nil || who.Rule != "main" || asked.Load() < 2 {
		t.Errorf("%+v, %v, asked %d times", who, err, asked.Load())
	}
	for _, bad := range []string{"proxy.example", "ftp://proxy.example", "http://user:word@proxy.example", "http://"} {
		if err := checkProxy(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// TestUse: another configuration counts at once, and keeps the keys of issuers.
func TestUse(t *testing.T) {
	i := issuertest.New(t, now)
	f := newFederation(t, i)
	if _, err := f.Verify(t.Context(), "", i.Token(nil)); err != nil {
		t.Fatal(err)
	}
	asked := i.Requests.Load()
	other := Issuer{Issuer: i.URL, Audience: issuertest.Audience, AllowLoopback: true, Rules: []Rule{
		{Name: "elsewhere", Registry: "another", Claims: map[string]string{"repository": "example/app"}, Principal: "ann"},
	}}
	f.Use(&Config{Issuers: []Issuer{other}})
	if _, ok := f.Rule("main"); ok {
		t.Error("a rule that has gone is known")
	}
	if _, err := f.Verify(t.Context(), "", i.Token(nil)); !errors.Is(err, authn.ErrBadCredentials) {
		t.Errorf("the rule is for another registry: %v", err)
	}
	if who, err := f.Verify(t.Context(), "another", i.Token(nil)); err != nil || who.Rule != "elsewhere" {
		t.Errorf("%+v, %v", who, err)
	}
	if n := i.Requests.Load(); n != asked {
		t.Errorf("the issuer was asked %d times more", n-asked)
	}
	f.Use(&Config{})
	if _, err := f.Verify(t.Context(), "another", i.Token(nil)); !errors.Is(err, authn.ErrBadCredentials) {
		t.Error(err)
	}
}
