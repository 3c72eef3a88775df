package authn

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// payload decodes a token as the SDK for Go does: standard base64, padded.
func payload(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token has %d parts", len(parts))
	}
	p := parts[1] + strings.Repeat("=", (4-len(parts[1])%4)%4)
	raw, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestClaims(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.AcrPush, "samples/*")
	s := e.good(basicAuth(app, secret))
	now := float64(e.clock.now().Unix())

	access := payload(t, e.access(s, "repository:samples/a:pull,push,delete repository:other:pull registry:None:*"))
	want := map[string]any{
		"sub": app, "nbf": now, "iat": now, "exp": now + 4500, "iss": "Azure Container Registry", "aud": "r.example",
		"version": "1.0", "grant_type": "access_token", "roles": []any{"AcrPush"},
		"access":         []any{map[string]any{"type": "repository", "name": "samples/a", "actions": []any{"pull", "push"}}},
		"orlop_registry": float64(registry),
	}
	for k, v := range want {
		if diff := cmp.Diff(v, access[k]); diff != "" {
			t.Errorf("%s: %s", k, diff)
		}
	}
	refresh := payload(t, e.refresh(s))
	for k, v := range map[string]any{"sub": app, "exp": now + 3*3600, "grant_type": "refresh_token", "tenant": e.Tenant()} {
		if diff := cmp.Diff(v, refresh[k]); diff != "" {
			t.Errorf("%s: %s", k, diff)
		}
	}
	for _, claims := range []map[string]any{access, refresh} {
		if id, _ := claims["jti"].(string); len(id) != 36 {
			t.Errorf("jti is %q", id)
		}
	}
	if access["jti"] == refresh["jti"] {
		t.Error("two tokens have one id")
	}
}

// TestPlain has payloads decode as standard base64, whatever they say.
func TestPlain(t *testing.T) {
	for _, s := range []string{"~~~", "???", ">>>", "~?>", "\x7f\x7f\x7f", "ÿþýü", "😀😀", "plain", `"\`, "\xff"} {
		for pad := range 3 {
			s := strings.Repeat("a", pad) + s
			raw, err := json.Marshal(map[string]string{"s": s})
			if err != nil {
				t.Fatal(err)
			}
			coded := base64.RawURLEncoding.EncodeToString(plain(raw))
			if strings.ContainsAny(coded, "-_") {
				t.Errorf("%q gives %s", s, coded)
			}
			var want, got map[string]string
			if err := errors.Join(json.Unmarshal(raw, &want), json.Unmarshal(plain(raw), &got)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q: %s", s, diff)
			}
		}
	}
}

func TestTokensExpire(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.AcrPush, "")
	s := e.good(basicAuth(app, secret))
	access, refresh := "Bearer "+e.access(s, "repository:a:pull"), basicAuth(NullUser, e.refresh(s))
	unseen := "Bearer " + e.access(s, "repository:a:pull")
	e.good(access)
	e.good(refresh)
	e.clock.pass(AccessTTL - time.Second)
	e.good(access)
	e.clock.pass(time.Second)
	e.bad(access) // remembered
	e.bad(unseen)
	e.good(refresh)
	e.clock.pass(RefreshTTL - AccessTTL)
	e.bad(refresh)
	e.clock.pass(-24 * time.Hour) // the clock is set back a day
	e.bad(access)
	e.bad(refresh)
}

// TestTokenScope has no token grant more than its list, nor than its principal.
func TestTokenScope(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.AcrPush, "samples/*")
	s := e.good(basicAuth(app, secret))
	token := e.access(s, "repository:samples/a:pull registry:catalog:*")
	for _, auth := range []string{"Bearer " + token, basicAuth(NullUser, token)} {
		s := e.good(auth)
		for a, want := range map[authz.Access]bool{
			authz.Repository("samples/a", authz.Pull):         true,
			authz.Repository("samples/a", authz.Push):         false,
			authz.Repository("samples/a", authz.MetadataRead): false,
			authz.Repository("samples/b", authz.Pull):         false,
			authz.Registry("catalog", authz.List):             true,
		} {
			if s.May(a) != want {
				t.Errorf("%+v is %v", a, !want)
			}
		}
		if !s.Sees("samples/b") || s.Sees("other") {
			t.Error("the list shows what the principal does not see, or not what it sees")
		}
		// A child grants no more, and ends no later.
		e.clock.pass(time.Minute)
		child := payload(t, e.access(s, "repository:*:* repository:samples/a:pull,push repository:samples/b:pull"))
		want := []any{map[string]any{"type": "repository", "name": "samples/a", "actions": []any{"pull"}}}
		if diff := cmp.Diff(want, child["access"]); diff != "" {
			t.Error(diff)
		}
		if child["exp"] != payload(t, token)["exp"] {
			t.Errorf("the child ends at %v", child["exp"])
		}
		if _, ok, err := e.RefreshToken(s, registry, "r.example"); ok || err != nil {
			t.Errorf("an access token gets a refresh token: %v", err)
		}
	}
}

// TestRolesShrink has a token lose what its principal loses.
func TestRolesShrink(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.AcrPush, "")
	token := "Bearer " + e.access(e.good(basicAuth(app, secret)), "repository:a:pull,push")
	push := authz.Repository("a", authz.Push)
	if !e.good(token).May(push) {
		t.Fatal("no right to push")
	}
	p, _, err := e.db.Principal(t.Context(), registry, app)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.db.DeletePrincipal(t.Context(), registry, p.Kind, p.ID); err != nil {
		t.Fatal(err)
	}
	p.Roles = []meta.RoleAssignment{{Role: authz.AcrPull}}
	if ok, err := e.db.CreatePrincipal(t.Context(), p); !ok || err != nil {
		t.Fatal(ok, err)
	}
	e.people.changed(p.ID)
	if s := e.good(token); s.May(push) || !s.May(authz.Repository("a", authz.Pull)) {
		t.Error("the token has not lost what the principal has lost")
	}
}

// TestKinds has each kind of token be good for its own use only.
func TestKinds(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.AcrPush, "")
	s := e.good(basicAuth(app, secret))
	access, refresh := e.access(s, "repository:a:pull"), e.refresh(s)
	e.good("Bearer " + access)
	e.good("bearer  " + access)
	e.good(basicAuth(NullUser, access))
	e.good(basicAuth(NullUser, refresh))
	e.bad("Bearer " + refresh)
	e.bad(basicAuth(app, access))
	e.bad(basicAuth(app, refresh))
	if _, err := e.RefreshSession(t.Context(), registry, access); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("an access token refreshes: %v", err)
	}
	if got, err := e.RefreshSession(t.Context(), registry, refresh); err != nil || got.Identity.ID != app {
		t.Errorf("%+v, %v", got, err)
	}
	for _, auth := range []string{"Bearer " + access, basicAuth(NullUser, refresh)} {
		if _, err := e.Authenticate(t.Context(), registry+1, here, auth); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("another registry accepts the token: %v", err)
		}
	}
}

// forge makes a token with a header and claims of the attacker's choice.
func forge(header map[string]any, claims []byte, sign func(input string) []byte) string {
	h, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	enc := base64.RawURLEncoding
	input := enc.EncodeToString(h) + "." + enc.EncodeToString(claims)
	return input + "." + enc.EncodeToString(sign(input))
}

// TestTamper is threat S3: tokens that say of themselves how they are to be
// checked.
func TestTamper(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.AcrPull, "")
	good := e.access(e.good(basicAuth(app, secret)), "repository:a:pull")
	parts := strings.Split(good, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	edited := bytes.Replace(claims, []byte(`"pull"`), []byte(`"push"`), 1)
	if bytes.Equal(edited, claims) {
		t.Fatal("nothing was edited")
	}
	key := e.keys.newest
	kid := kidOf(t, parts[0])
	mine, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk := jose.JSONWebKey{Key: mine.Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"}
	byMe := func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, mine, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	public, err := x509.MarshalPKIXPublicKey(key.public)
	if err != nil {
		t.Fatal(err)
	}
	byPublicKey := func(input string) []byte {
		m := hmac.New(sha256.New, public)
		m.Write([]byte(input))
		return m.Sum(nil)
	}
	unsigned := func(string) []byte { return nil }
	header := func(kv ...any) map[string]any {
		h := map[string]any{"alg": "ES256", "kid": kid, "typ": "JWT"}
		for i := 0; i < len(kv); i += 2 {
			h[kv[i].(string)] = kv[i+1]
		}
		return h
	}
	for name, token := range map[string]string{
		"none":             forge(header("alg", "none"), edited, unsigned),
		"None":             forge(header("alg", "None"), edited, unsigned),
		"no signature":     parts[0] + "." + parts[1] + ".",
		"HS256":            forge(header("alg", "HS256"), edited, byPublicKey),
		"own key":          forge(header(), edited, byMe),
		"jwk":              forge(header("jwk", jwk), edited, byMe),
		"jku":              forge(header("jku", "http://127.0.0.1:1/keys"), edited, byMe),
		"x5u":              forge(header("x5u", "http://127.0.0.1:1/cert"), edited, byMe),
		"x5c":              forge(header("x5c", []string{base64.StdEncoding.EncodeToString(public)}), edited, byMe),
		"kid path":         forge(header("kid", "../../../../dev/null"), edited, byMe),
		"kid SQL":          forge(header("kid", "' OR 1=1 --"), edited, byMe),
		"no kid":           forge(map[string]any{"alg": "ES256"}, edited, byMe),
		"crit":             forge(header("crit", []string{"exp"}, "exp", 1), edited, byMe),
		"b64":              forge(header("crit", []string{"b64"}, "b64", false), edited, byMe),
		"zip":              forge(header("zip", "DEF"), edited, byMe),
		"edited claims":    parts[0] + "." + base64.RawURLEncoding.EncodeToString(edited) + "." + parts[2],
		"edited signature": parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		"zero signature":   parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"four parts":       good + ".x",
		"two parts":        parts[0] + "." + parts[1],
		"padded":           parts[0] + "=." + parts[1] + "." + parts[2],
		"blank":            parts[0] + ". " + parts[1] + "." + parts[2],
		"JSON":             `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"dots":             strings.Repeat(".", 4000),
		"64 kB":            forge(header("x", strings.Repeat("x", 64<<10)), edited, byMe),
		"empty":            "..",
	} {
		t.Run(name, func(t *testing.T) {
			e := *e
			e.t = t
			e.bad("Bearer " + token)
			e.bad(basicAuth(NullUser, token))
			if _, err := e.RefreshSession(t.Context(), registry, token); !errors.Is(err, ErrBadCredentials) {
				t.Errorf("it refreshes: %v", err)
			}
		})
	}
	e.good("Bearer " + good)
}

func kidOf(t *testing.T, header string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	var h struct{ Alg, Kid, Typ string }
	if err := json.Unmarshal(raw, &h); err != nil || h.Alg != "ES256" || h.Kid == "" || h.Typ != "JWT" {
		t.Fatalf("header %s: %v", raw, err)
	}
	return h.Kid
}

// TestOwnClaims has tokens that we signed, but not for this, be refused.
func TestOwnClaims(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.AcrPull, "")
	s := e.good(basicAuth(app, secret))
	for name, edit := range map[string]func(*claims){
		"grant type":   func(c *claims) { c.Grant = "id_token" },
		"issuer":       func(c *claims) { c.Issuer = "somebody" },
		"registry":     func(c *claims) { c.Registry++ },
		"no such user": func(c *claims) { c.Subject = "x" },
		"no secret":    func(c *claims) { c.Secret = "" },
		"early":        func(c *claims) { c.NotBefore += 120 },
		"late":         func(c *claims) { c.Expires = c.Issued },
	} {
		c := e.claims(s, registry, "r.example", AccessTTL)
		c.Grant = grantAccess
		edit(c)
		token, err := e.sign(c)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := e.Authenticate(t.Context(), registry, here, "Bearer "+token); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestRotateKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orlop.db")
	e := openEnv(t, path)
	app, secret := e.application(authz.AcrPull, "")
	s := e.good(basicAuth(app, secret))
	var tokens []string
	for range keptKeys + 1 {
		tokens = append(tokens, "Bearer "+e.access(s))
		e.clock.pass(time.Minute)
		if err := e.RotateKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tokens = append(tokens, "Bearer "+e.access(s))
	check := func(e *env) {
		t.Helper()
		e.bad(tokens[0])
		e.bad(tokens[1])
		for _, token := range tokens[2:] {
			e.good(token)
		}
	}
	check(e)
	tenant := e.Tenant()
	e.db.Close()
	again := openEnv(t, path) // a restart
	again.clock.pass(10 * time.Minute)
	check(again)
	if again.Tenant() != tenant {
		t.Error("the tenant has changed")
	}
}

// TestInstallations is threat S16: two fresh installations share nothing.
func TestInstallations(t *testing.T) {
	a, b := newEnv(t), newEnv(t)
	if a.Tenant() == b.Tenant() || a.keys.newest.public.Equal(b.keys.newest.public) {
		t.Error("two installations have one key")
	}
	first, err := a.EnsureAdmin(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.EnsureAdmin(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Error("two installations have one admin password")
	}
	b.bad("Bearer " + a.access(a.good(basicAuth("admin", first))))
}

func FuzzAuthorization(f *testing.F) {
	f.Add("Basic YTpi")
	f.Add("Bearer a.b.c")
	f.Add("basic   ")
	f.Add("Basic " + base64.StdEncoding.EncodeToString([]byte("a:b:c")))
	f.Add("Bearer\x00")
	f.Fuzz(func(t *testing.T, value string) {
		c, ok := parseAuthorization(value)
		if !ok {
			return
		}
		if (c.token == "") == (c.user == "" || c.secret == "") {
			t.Errorf("%q is read as %+v", value, c)
		}
		if strings.ContainsAny(c.user, ":\r\n\x00") {
			t.Errorf("user %q", c.user)
		}
	})
}

func FuzzToken(f *testing.F) {
	key, err := testKey()
	if err != nil {
		f.Fatal(err)
	}
	k := &keyring{newest: key, byHeader: map[string]*signingKey{key.header: key}}
	good, err := key.sign([]byte(`{"sub":"x"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("..")
	f.Add(key.header + ".e30.")
	f.Fuzz(func(t *testing.T, token string) {
		payload, ok := k.open(token)
		if ok && string(payload) != `{"sub":"x"}` {
			t.Errorf("%q opens as %q", token, payload)
		}
	})
}

func testKey() (*signingKey, error) {
	id, der, err := newSigningKey()
	if err != nil {
		return nil, err
	}
	return openSigningKey(meta.ServerKey{ID: id, Secret: der})
}
