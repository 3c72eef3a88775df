// Package testenv starts real servers in tests: in the process of the test
// (Start), or as a process of its own that can be killed (StartProcess). Each
// has a data directory and a port of its own on the loopback address.
package testenv

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/server"
)

// AdminPassword is the password of the user admin of every server here.
const AdminPassword = "testenv-admin-password"

// Options say how a server is to be. The zero value is the default server,
// with an empty data directory and AdminPassword.
type Options struct {
	// Data is the data directory; "" makes one for the test.
	Data string
	// Configure changes the configuration before it is used; nil does not.
	Configure func(*config.Config)
	// Log receives the server's log; nil is the log of the test.
	Log io.Writer
}

// Server is a running server.
type Server struct {
	Address string // HOST:PORT
	Scheme  string // http or https
	Data    string // data directory
	CAFile  string // authority of the certificates; "" without TLS
	stop    func()

	mu   sync.Mutex
	http *http.Client // guarded by mu; made when first used
}

// URL returns the address of a path on the server.
func (s *Server) URL(path string) string { return s.Scheme + "://" + s.Address + path }

// Stop stops the server gracefully. It is called at the end of the test if it
// was not called before.
func (s *Server) Stop() { s.stop() }

// Start starts a server in this process and stops it at the end of the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	cfg := configuration(t, &o)
	if err := cfg.Validate(); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	logs := slog.New(slog.NewTextHandler(o.Log, &slog.HandlerOptions{Level: cfg.LogLevel}))
	s, err := server.Open(t.Context(), cfg, logs)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	env := &Server{Address: s.Addresses()[0], Data: cfg.Data, Scheme: "http", CAFile: s.CAFile()}
	if cfg.ServesTLS() {
		env.Scheme = "https"
	}
	env.stop = serve(t, s)
	t.Cleanup(env.stop)
	return env
}

// serve serves until the function it returns is called.
func serve(t testing.TB, s *server.Server) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("testenv: serve: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("testenv: close: %v", err)
		}
	})
}

// configuration is the default with what a test needs.
func configuration(t testing.TB, o *Options) config.Config {
	cfg := config.Default()
	cfg.Listen = []string{"127.0.0.1:0"}
	cfg.AdminPassword = AdminPassword
	cfg.ShutdownTimeout = 5 * time.Second
	if o.Data == "" {
		o.Data = t.TempDir()
	}
	cfg.Data = o.Data
	if o.Log == nil {
		o.Log = testLog{t}
	}
	if o.Configure != nil {
		o.Configure(&cfg)
	}
	return cfg
}

// testLog writes to the log of a test.
type testLog struct{ t testing.TB }

// Write implements io.Writer.
func (l testLog) Write(p []byte) (int, error) {
	l.t.Helper()
	l.t.Logf("%s", p)
	return len(p), nil
}

// Do sends a request as the user admin and returns the answer with its body
// read. header holds names and values in turn.
func (s *Server) Do(t testing.TB, method, path string, body io.Reader, header ...string) (*http.Response, []byte) {
	t.Helper()
	return s.DoAs(t, "admin", AdminPassword, method, path, body, header...)
}

// DoAs is Do as another user; "" is nobody.
func (s *Server) DoAs(t testing.TB, user, password, method, path string, body io.Reader, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL(path), body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	resp, err := s.client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: read the answer: %v", method, path, err)
	}
	return resp, raw
}
