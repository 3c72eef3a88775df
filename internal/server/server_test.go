package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/gate"
)

// logBuffer keeps a log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// open opens a server with a log, changed by configure if that is not nil.
func open(t *testing.T, configure func(*config.Config)) (*Server, *logBuffer) {
	t.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.Data, cfg.AdminPassword = []string{"127.0.0.1:0"}, t.TempDir(), "admin-password"
	if configure != nil {
		configure(&cfg)
	}
	log := &logBuffer{}
	s, err := Open(t.Context(), cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, log
}

func get(t *testing.T, s *Server, path string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Result()
}

func TestSeveralAddresses(t *testing.T) {
	for _, mode := range []string{config.TLSOff, config.TLSAuto} {
		s, _ := open(t, func(c *config.Config) {
			c.TLS, c.Listen = mode, slices.Repeat([]string{"127.0.0.1:0"}, 5)
		})
		start(t, s)
		for _, addr := range s.Addresses() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			if mode == config.TLSAuto {
				conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // certificates are tested elsewhere
			}
			fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if answer, err := io.ReadAll(conn); !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
				t.Errorf("%s: %q, %v", addr, answer, err)
			}
			conn.Close()
		}
	}
}

func TestUnknownPathsAreJSON(t *testing.T) {
	s, _ := open(t, nil)
	for _, path := range []string{"/", "/v1/", "/v2x", "/acr/v2/x", "/oauth2", "/favicon.ico", "/../etc/passwd", "/healthz/x"} {
		resp := get(t, s, path)
		var body struct{ Errors []struct{ Code string } }
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || len(body.Errors) != 1 || resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s %+v %v", path, resp.Status, body, err)
		}
	}
}

func TestPathsArriveAsSent(t *testing.T) {
	s, _ := open(t, nil)
	var got string
	s.dist = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL.EscapedPath() })
	for _, path := range []string{"/v2", "/v2/", "/v2//a", "/v2/a%2Fb/tags/list", "/v2/a/../b", "/v2/a/manifests/sha256%3Aabc"} {
		if get(t, s, path); got != path {
			t.Errorf("%s arrived as %s", path, got)
		}
	}
}

func TestCommonHeaders(t *testing.T) {
	s, _ := open(t, nil)
	one, two := get(t, s, "/v2/"), get(t, s, "/healthz")
	for _, resp := range []*http.Response{one, two} {
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("headers %v", resp.Header)
		}
		id := resp.Header.Get(gate.RequestIDHeader)
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8000-[0-9a-f]{12}$`).MatchString(id) {
			t.Errorf("request id %q", id)
		}
	}
	if one.Header.Get(gate.RequestIDHeader) == two.Header.Get(gate.RequestIDHeader) {
		t.Error("two requests have one id")
	}
	if v := one.Header.Get("Docker-Distribution-Api-Version"); v != "registry/2.0" {
		t.Errorf("version %q", v)
	}
}

func TestResponseIsWrappedForTheAccessLogOnly(t *testing.T) {
	for _, on := range []bool{false, true} {
		s, log := open(t, func(c *config.Config) { c.AccessLog = on })
		var got http.ResponseWriter
		s.dist = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			got = w
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write([]byte("abc"))
		})
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/x?token=in-the-query", nil))
		if wrapped := got != http.ResponseWriter(w); wrapped != on {
			t.Errorf("access log %v: wrapped %v", on, wrapped)
		}
		if logged := strings.Contains(log.String(), "path=/v2/x") && strings.Contains(log.String(), "status=418 bytes=3"); logged != on {
			t.Errorf("access log %v: %s", on, log)
		}
		if strings.Contains(log.String(), "in-the-query") {
			t.Errorf("the query is logged: %s", log)
		}
	}
}

func TestPanicIsLoggedAndEndsTheConnection(t *testing.T) {
	s, log := open(t, nil)
	serve := func(v any) (recovered any) {
		s.dist = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(v) })
		defer func() { recovered = recover() }()
		get(t, s, "/v2/boom")
		return nil
	}
	if v := serve("a bug"); v != http.ErrAbortHandler {
		t.Errorf("recovered %v", v)
	}
	if !strings.Contains(log.String(), "a bug") || !strings.Contains(log.String(), "/v2/boom") {
		t.Errorf("log: %s", log)
	}
	before := log.String()
	if v := serve(http.ErrAbortHandler); v != http.ErrAbortHandler || log.String() != before {
		t.Errorf("a handler that ends a connection: %v, log: %s", v, strings.TrimPrefix(log.String(), before))
	}
	if n := s.active.Load(); n != 0 {
		t.Errorf("%d requests are counted as running", n)
	}
}

func TestReadiness(t *testing.T) {
	s, log := open(t, nil)
	for _, path := range []string{"/healthz", "/readyz"} {
		if resp := get(t, s, path); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if entries, err := os.ReadDir(s.dir.path); err != nil || strings.Contains(names(entries), "ready") {
		t.Errorf("the probe left something: %v %v", names(entries), err)
	}
	s.readiness = readiness{probe: func(context.Context) error { return errors.New("no /secret/path") }}
	resp := get(t, s, "/readyz")
	var body bytes.Buffer
	_, _ = body.ReadFrom(resp.Body)
	if resp.StatusCode != http.StatusServiceUnavailable || strings.Contains(body.String(), "/secret/path") {
		t.Errorf("not ready: %s %s", resp.Status, &body)
	}
	if !strings.Contains(log.String(), "/secret/path") {
		t.Error("the reason is not in the log")
	}
}

func names(entries []os.DirEntry) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.Name() + " ")
	}
	return b.String()
}

func TestReadinessIsProbedOncePerSecond(t *testing.T) {
	probes := 0
	r := readiness{probe: func(context.Context) error { probes++; return nil }}
	for range 100 {
		if err := r.check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if probes > 50 {
		t.Errorf("%d probes for 100 questions", probes)
	}
}

func TestBrokenDatabaseIsAnErrorThatLeavesNothingOpen(t *testing.T) {
	cfg := config.Default()
	cfg.Data = t.TempDir()
	if err := os.WriteFile(cfg.Data+"/orlop.db", bytes.Repeat([]byte("not a database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds the lock free
		_, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err == nil || errors.Is(err, errDataInUse) {
			t.Errorf("opened with %v", err)
		}
	}
}
