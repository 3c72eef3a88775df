package gate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// env is a gate on a real authenticator.
type env struct {
	*Gate
	t     *testing.T
	ident *authn.Authenticator
	db    *sqlmeta.DB
	log   *bytes.Buffer
}

func newEnv(t testing.TB, o authn.Options) *env {
	t.Helper()
	db, err := sqlmeta.Open(t.Context(), filepath.Join(t.TempDir(), "orlop.db"), sqlmeta.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Update(t.Context(), func(tx *sqlmeta.Tx) error { return tx.EnsureRegistry(meta.DefaultRegistry, "default") }); err != nil {
		t.Fatal(err)
	}
	e := &env{db: db, log: &bytes.Buffer{}}
	e.t, _ = t.(*testing.T)
	if e.ident, err = authn.New(t.Context(), db, o); err != nil {
		t.Fatal(err)
	}
	e.Gate = New(Options{Authn: e.ident, Log: slog.New(slog.NewTextHandler(e.log, nil))})
	return e
}

func basic(user, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}

// user makes a service principal and returns its Basic credentials.
func (e *env) user(role, prefix string) string {
	e.t.Helper()
	p, secret, err := e.ident.CreateServicePrincipal(e.t.Context(), meta.DefaultRegistry, "ci", []meta.RoleAssignment{{Role: role, Prefix: prefix}})
	if err != nil {
		e.t.Fatal(err)
	}
	return basic(p.Name, secret)
}

// tokens gets an access token for scopes, and a refresh token.
func (e *env) tokens(auth string, scopes ...string) (access, refresh string) {
	e.t.Helper()
	s, err := e.ident.Authenticate(e.t.Context(), meta.DefaultRegistry, peer(request(auth)), auth)
	if err != nil {
		e.t.Fatal(err)
	}
	if access, err = e.ident.AccessToken(s, meta.DefaultRegistry, "r.example", authz.ParseScopes(scopes...)); err != nil {
		e.t.Fatal(err)
	}
	if refresh, _, err = e.ident.RefreshToken(s, meta.DefaultRegistry, "r.example"); err != nil {
		e.t.Fatal(err)
	}
	return access, refresh
}

func request(auth string) *http.Request {
	r := httptest.NewRequest("GET", "http://R.example:5000/v2/x", nil)
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	return r
}

// try authorises and, if that fails, writes the error.
func (e *env) try(r *http.Request, want ...authz.Access) (*Caller, *httptest.ResponseRecorder) {
	w := httptest.NewRecorder()
	c, err := e.Authorize(httptest.NewRecorder(), r, want...)
	if err != nil {
		e.WriteError(w, r, err)
	}
	return c, w
}

func (e *env) status(auth string, want ...authz.Access) int {
	_, w := e.try(request(auth), want...)
	return w.Code
}

const challengeStart = `Bearer realm="http://r.example:5000/oauth2/token",service="r.example:5000"`

func TestChallenge(t *testing.T) {
	e := newEnv(t, authn.Options{AnonymousPull: true})
	user := e.user(authz.AcrPull, "samples/*")
	access, _ := e.tokens(user, "repository:samples/a:pull")
	for _, c := range []struct {
		name, auth string
		want       []authz.Access
		status     int
		challenge  string
	}{
		{"ping", "", nil, 401, challengeStart},
		{"ping with a wrong secret", basic("a", "b"), nil, 401, challengeStart},
		{"ping with a wrong token", "Bearer x", nil, 401, challengeStart + `,error="invalid_token"`},
		{"push as nobody", "", []authz.Access{authz.Repository("a/b", authz.Push)}, 401, challengeStart + `,scope="repository:a/b:pull,push"`},
		{"list as nobody", "", []authz.Access{authz.Registry("catalog", authz.List)}, 401, challengeStart + `,scope="registry:catalog:*"`},
		{"read metadata as nobody", "", []authz.Access{authz.Repository("a", authz.MetadataRead)}, 401, challengeStart + `,scope="repository:a:metadata_read"`},
		{"delete with a narrow token", "Bearer " + access, []authz.Access{authz.Repository("samples/a", authz.Delete)}, 401,
			challengeStart + `,scope="repository:samples/a:delete",error="invalid_token"`},
		{"mount with a narrow token", "Bearer " + access, []authz.Access{authz.Repository("a", authz.Push), authz.Repository("b", authz.Pull)}, 401,
			challengeStart + `,scope="repository:a:pull,push repository:b:pull",error="invalid_token"`},
		{"push with the wrong role", user, []authz.Access{authz.Repository("samples/a", authz.Push)}, 403, ""},
		{"strange scheme", "Negotiate x", []authz.Access{authz.Repository("a", authz.Pull)}, 401, challengeStart + `,scope="repository:a:pull"`},
	} {
		_, w := e.try(request(c.auth), c.want...)
		if w.Code != c.status || w.Header().Get("Www-Authenticate") != c.challenge {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Header().Get("Www-Authenticate"))
		}
		if w.Header().Get("Docker-Distribution-Api-Version") != "registry/2.0" {
			t.Errorf("%s: no version header", c.name)
		}
	}
}

func TestRefusalBody(t *testing.T) {
	e := newEnv(t, authn.Options{})
	_, w := e.try(request(""), authz.Repository("R", authz.MetadataRead))
	want := `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required, visit https://aka.ms/acr/authorization for more information.",` +
		`"detail":[{"Type":"repository","Name":"R","Action":"metadata_read"}]}]}`
	if w.Body.String() != want {
		t.Error(w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Error(got)
	}
	_, w = e.try(request(e.user(authz.AcrPull, "")), authz.Repository("R", authz.Push))
	var body errorBody
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Errors[0].Code != "DENIED" {
		t.Errorf("%s, %v", w.Body, err)
	}
}

func TestCaller(t *testing.T) {
	e := newEnv(t, authn.Options{})
	auth := e.user(authz.AcrPush, "samples/*")
	c, w := e.try(request(auth), authz.Repository("samples/a", authz.Push))
	if c == nil {
		t.Fatal(w.Body)
	}
	if c.ID == "" || c.Name != c.ID || c.RegistryID != meta.DefaultRegistry || c.LoginServer != "r.example:5000" || c.Anonymous() {
		t.Errorf("%+v", c)
	}
	if !c.May(authz.Repository("samples/b", authz.Pull)) || c.May(authz.Repository("b", authz.Pull)) || !c.Sees("samples/x") || c.Sees("x") {
		t.Error("its rights are wrong")
	}
	r := request(auth)
	r.Header.Add("Authorization", auth)
	if _, w := e.try(r, authz.Repository("samples/a", authz.Pull)); w.Code != 401 {
		t.Errorf("two Authorization headers: %d", w.Code)
	}
}

// TestMatrix is threat S10: every kind of credential by every way against every
// action. None gets more than its scope, and none more than its principal.
func TestMatrix(t *testing.T) {
	e := newEnv(t, authn.Options{})
	push := e.user(authz.AcrPush, "samples/*")
	user, secret, _ := strings.Cut(decode(t, push), ":")
	pullToken, refresh := e.tokens(push, "repository:samples/a:pull")
	allToken, _ := e.tokens(push, "repository:samples/*:* registry:catalog:*")
	greedy, _ := e.tokens(push, "repository:*:* repository:other:pull registry:principals:manage")
	yes, no, again := 200, 403, 401 // again: get a better token
	type cells [6]int
	wants := []authz.Access{
		authz.Repository("samples/a", authz.Pull), authz.Repository("samples/a", authz.Push), authz.Repository("samples/a", authz.Delete),
		authz.Repository("samples/b", authz.Pull), authz.Repository("other", authz.Pull), authz.Registry("catalog", authz.List),
	}
	for _, c := range []struct {
		name, auth string
		want       cells
	}{
		{"secret by Basic", push, cells{yes, yes, no, yes, no, yes}},
		{"secret by Bearer", "Bearer " + secret, cells{again, again, again, again, again, again}},
		{"refresh token by Basic", basic(authn.NullUser, refresh), cells{yes, yes, no, yes, no, yes}},
		{"refresh token by Bearer", "Bearer " + refresh, cells{again, again, again, again, again, again}},
		{"refresh token as the user's secret", basic(user, refresh), cells{again, again, again, again, again, again}},
		{"narrow token by Bearer", "Bearer " + pullToken, cells{yes, again, again, again, again, again}},
		{"narrow token by Basic", basic(authn.NullUser, pullToken), cells{yes, no, no, no, no, no}},
		{"wide token by Bearer", "Bearer " + allToken, cells{yes, yes, again, yes, again, yes}},
		{"wide token by Basic", basic(authn.NullUser, allToken), cells{yes, yes, no, yes, no, yes}},
		{"token that asked for too much", "Bearer " + greedy, cells{again, again, again, again, again, again}},
		{"nobody", "", cells{again, again, again, again, again, again}},
	} {
		for i, want := range wants {
			if got := e.status(c.auth, want); got != c.want[i] {
				t.Errorf("%s, %+v: %d, want %d", c.name, want, got, c.want[i])
			}
		}
	}
	// Neither a query nor a cookie is a credential.
	for _, target := range []string{"/v2/x?access_token=" + allToken, "/v2/x?authorization=" + url.QueryEscape(push)} {
		r := httptest.NewRequest("GET", "http://r.example"+target, nil)
		r.AddCookie(&http.Cookie{Name: "Authorization", Value: "x"})
		if _, w := e.try(r, wants[0]); w.Code != 401 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

func decode(t *testing.T, auth string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(auth, "Basic "))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestAnonymousPull lets anybody pull, and do nothing else.
func TestAnonymousPull(t *testing.T) {
	for _, on := range []bool{false, true} {
		e := newEnv(t, authn.Options{AnonymousPull: on})
		for _, a := range []authz.Action{authz.Pull, authz.Push, authz.Delete, authz.MetadataRead, authz.MetadataWrite, authz.DeletedRead} {
			want := 401
			if on && a == authz.Pull {
				want = 200
			}
			if got := e.status("", authz.Repository("a", a)); got != want {
				t.Errorf("anonymous pull %v, %s: %d", on, a, got)
			}
		}
		if got := e.status(basic("old", "credentials"), authz.Repository("a", authz.Pull)); got != 401 {
			t.Errorf("wrong credentials: %d", got)
		}
		if got := e.status(""); got != 401 {
			t.Errorf("ping: %d", got)
		}
	}
}

// BenchmarkAuthorize is the price of permission on the hot path.
func BenchmarkAuthorize(b *testing.B) {
	e := newEnv(b, authn.Options{})
	if _, err := e.ident.EnsureAdmin(b.Context(), "password"); err != nil {
		b.Fatal(err)
	}
	r := request(basic("admin", "password"))
	r.RemoteAddr = "127.0.0.1:4711"
	want := authz.Repository("samples/artifact", authz.Pull)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Authorize(httptest.NewRecorder(), r, want); err != nil {
			b.Fatal(err)
		}
	}
}
