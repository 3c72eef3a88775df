package distapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/registry"
)

const mediaTypeManifest = ocispec.MediaTypeImageManifest

func digestTyped(raw []byte) digest.Digest { return digest.FromBytes(raw) }
func digestOf(raw []byte) string           { return string(digest.FromBytes(raw)) }

// env is the API on a real engine, with blobs in memory.
type env struct {
	t     testing.TB
	srv   *httptest.Server
	ident *authn.Authenticator
	reg   *registry.Registry // the engine, without HTTP
	rot   *rottenStore
	logs  *logBuffer
}

func newEnv(t testing.TB) *env {
	t.Helper()
	return newEnvWith(t, Options{})
}

// newEnvWith makes an env with settings of the API.
func newEnvWith(t testing.TB, o Options) *env {
	t.Helper()
	return newEnvOn(t, o, mem.New(mem.Options{}))
}

// newEnvOn makes an env on a blob store.
func newEnvOn(t testing.TB, o Options, blobs blob.Store) *env {
	t.Helper()
	e := &env{t: t, rot: &rottenStore{Store: blobs}, logs: &logBuffer{}}
	e.rot.at.Store(-1)
	log := slog.New(slog.NewTextHandler(e.logs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := sqlmeta.Open(t.Context(), filepath.Join(t.TempDir(), "orlop.db"), sqlmeta.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var store blob.Store = e.rot
	if signer, ok := blobs.(blob.Signer); ok {
		store = struct {
			*rottenStore
			blob.Signer
		}{e.rot, signer}
	}
	engine, err := registry.New(db, store, registry.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if e.ident, err = authn.New(t.Context(), db, authn.Options{}); err != nil {
		t.Fatal(err)
	}
	e.reg = engine.Registry(meta.DefaultRegistry, registry.Actor{})
	o.Engine, o.Gate, o.Log = engine.Registry, gate.New(gate.Options{Authn: e.ident, Log: log}), log
	e.srv = httptest.NewUnstartedServer(New(o))
	e.srv.Config.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelError)
	e.srv.Start()
	t.Cleanup(func() {
		e.srv.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// logBuffer collects the log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (e *env) log() string {
	e.logs.mu.Lock()
	defer e.logs.mu.Unlock()
	return e.logs.b.String()
}

// user makes a principal with a role in repositories, all if there are none.
func (e *env) user(name, role string, prefixes ...string) *client {
	e.t.Helper()
	roles := []meta.RoleAssignment{{Role: role}}
	if len(prefixes) > 0 {
		roles = nil
		for _, p := range prefixes {
			roles = append(roles, meta.RoleAssignment{Role: role, Prefix: p})
		}
	}
	p, secret, err := e.ident.CreateServicePrincipal(context.Background(), meta.DefaultRegistry, name, roles)
	if err != nil {
		e.t.Fatal(err)
	}
	auth := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.Name+":"+secret))
	return &client{e: e, name: name, auth: auth}
}

func (e *env) admin() *client     { return e.user("admin", "Owner") }
func (e *env) anonymous() *client { return &client{e: e, name: "nobody"} }

// dial opens a bare connection, to be closed when the test ends.
func (e *env) dial() net.Conn {
	e.t.Helper()
	conn, err := net.Dial("tcp", e.srv.Listener.Addr().String())
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { conn.Close() })
	return conn
}

// client speaks to the API as one principal.
type client struct {
	e    *env
	name string
	auth string
}

// response is an answer that has been read.
type response struct {
	*http.Response
	t    testing.TB
	what string
	body []byte
}

// do sends a request with a body of known length. Headers are pairs of name and
// value.
func (c *client) do(method, path string, body []byte, headers ...string) *response {
	c.e.t.Helper()
	return c.send(method, path, bytes.NewReader(body), headers...)
}

// send sends a request; the length of the body is known if the reader is a
// *bytes.Reader.
func (c *client) send(method, path string, body io.Reader, headers ...string) *response {
	c.e.t.Helper()
	res, err := c.request(method, path, body, headers...)
	if err != nil {
		c.e.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.e.t.Fatalf("%s %s: %v", method, path, err)
	}
	return &response{Response: res, t: c.e.t, what: method + " " + path, body: raw}
}

func (c *client) request(method, path string, body io.Reader, headers ...string) (*http.Response, error) {
	req, err := http.NewRequest(method, c.e.srv.URL+path, body)
	if err != nil {
		return nil, err
	}
	if c.auth != "" {
		req.Header.Set("Authorization", c.auth)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return c.e.srv.Client().Do(req)
}

// try gets a path and tells how much of the body arrived, and how it ended.
func (c *client) try(path, rangeHeader string) (status int, n int64, err error) {
	var headers []string
	if rangeHeader != "" {
		headers = []string{"Range", rangeHeader}
	}
	res, err := c.request("GET", path, nil, headers...)
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close()
	n, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, n, err
}

// start starts an upload and returns its Location.
func (c *client) start(repo string) string {
	c.e.t.Helper()
	res := c.do("POST", "/v2/"+repo+"/blobs/uploads/", nil)
	res.want(http.StatusAccepted)
	return res.Header.Get("Location")
}

// push pushes a blob.
func (c *client) push(repo string, blob []byte) digest.Digest {
	c.e.t.Helper()
	d := digest.FromBytes(blob)
	c.do("POST", "/v2/"+repo+"/blobs/uploads/?digest="+d.String(), blob).want(http.StatusCreated)
	return d
}

// manifest pushes a configuration and a layer and returns a manifest of them,
// after change, if there is one.
func (c *client) manifest(repo string, change func(*ocispec.Manifest)) []byte {
	c.e.t.Helper()
	describe := func(mediaType string, blob []byte) ocispec.Descriptor {
		return ocispec.Descriptor{MediaType: mediaType, Digest: c.push(repo, blob), Size: int64(len(blob))}
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: mediaTypeManifest,
		Config:    describe(ocispec.MediaTypeEmptyJSON, []byte("{}")),
		Layers:    []ocispec.Descriptor{describe("application/vnd.test", []byte("layer of "+repo))},
	}
	if change != nil {
		change(&m)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		c.e.t.Fatal(err)
	}
	return raw
}

func (r *response) want(status int) {
	r.t.Helper()
	if r.StatusCode != status {
		r.t.Fatalf("%s: status %d, want %d: %.500s", r.what, r.StatusCode, status, r.body)
	}
}

// wantCode wants an error of the specification; code "" is any.
func (r *response) wantCode(status int, code string) {
	r.t.Helper()
	r.want(status)
	var body struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal(r.body, &body); err != nil || len(body.Errors) == 0 || body.Errors[0].Message == "" {
		r.t.Fatalf("%s: body is no error of the specification: %s", r.what, r.body)
	}
	if got := body.Errors[0].Code; code != "" && got != code {
		r.t.Errorf("%s: code %s, want %s", r.what, got, code)
	}
}

func (r *response) wantHeader(name, value string) {
	r.t.Helper()
	if got := r.Header.Get(name); got != value {
		r.t.Errorf("%s: %s: %q, want %q", r.what, name, got, value)
	}
}

// next is the path of the next page, "" on the last.
func (r *response) next() string {
	r.t.Helper()
	link := r.Header.Get("Link")
	if link == "" {
		return ""
	}
	path, ok := strings.CutSuffix(link, `>; rel="next"`)
	path, ok2 := strings.CutPrefix(path, "<")
	if !ok || !ok2 || !strings.HasPrefix(path, "/v2/") {
		r.t.Fatalf("%s: Link: %s", r.what, link)
	}
	return path
}

// withToken is the client with an access token for scopes in place of its
// password.
func (c *client) withToken(scopes ...string) *client {
	c.e.t.Helper()
	ctx, host := c.e.t.Context(), c.e.srv.Listener.Addr().String()
	s, err := c.e.ident.Authenticate(ctx, meta.DefaultRegistry, netip.Addr{}, c.auth)
	if err != nil {
		c.e.t.Fatal(err)
	}
	token, err := c.e.ident.AccessToken(s, meta.DefaultRegistry, host, authz.ParseScopes(scopes...))
	if err != nil {
		c.e.t.Fatal(err)
	}
	return &client{e: c.e, name: c.name, auth: "Bearer " + token}
}
