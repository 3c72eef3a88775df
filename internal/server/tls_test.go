package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/tlsauto"
)

// start serves a server until the end of the test and returns its address.
func start(t *testing.T, s *Server) string {
	t.Helper()
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s.Addresses()[0]
}

// trusting returns a transport that trusts caFile and connects to addr whatever
// the host is.
func trusting(t *testing.T, addr, caFile string) *http.Transport {
	t.Helper()
	raw, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	}
}

// fetch gets /healthz of the server at addr under another host name.
func fetch(t *testing.T, addr, host, caFile string) (*http.Response, error) {
	t.Helper()
	transport := trusting(t, addr, caFile)
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return resp, err
}

func TestAutoTLS(t *testing.T) {
	s, _ := open(t, func(c *config.Config) { c.TLS, c.Domain = config.TLSAuto, []string{"azurecr.localtest"} })
	addr := start(t, s)
	for host, ok := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "myregistry.azurecr.localtest": true, "registry.example": false,
	} {
		resp, err := fetch(t, addr, host, s.CAFile())
		if (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
		if err == nil && (resp.ProtoMajor != 2 || resp.Header.Get("Strict-Transport-Security") == "") {
			t.Errorf("%s: %s, headers %v", host, resp.Proto, resp.Header)
		}
	}
}

// certificate writes a certificate for localhost, of an authority of its own,
// as files.
func certificate(t *testing.T, cert, key string) (caFile string) {
	t.Helper()
	dir := t.TempDir()
	authority, err := tlsauto.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := authority.Certificates(tlsauto.Names{})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := certs.Get(&tls.ClientHelloInfo{ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	write(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]}))
	return authority.CertFile()
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCertificateFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	ca := certificate(t, cert, key)
	s, log := open(t, func(c *config.Config) { c.TLSCert, c.TLSKey = cert, key })
	addr := start(t, s)
	if _, err := fetch(t, addr, "localhost", ca); err != nil {
		t.Fatal(err)
	}

	write(t, cert, []byte("half a certif"))
	if _, err := fetch(t, addr, "localhost", ca); err != nil {
		t.Errorf("a broken file: %v", err)
	}
	if !strings.Contains(log.String(), "certificate not reloaded") {
		t.Errorf("log: %s", log)
	}

	renewed := certificate(t, cert, key)
	if _, err := fetch(t, addr, "localhost", renewed); err != nil {
		t.Errorf("a new certificate: %v", err)
	}
	if _, err := fetch(t, addr, "localhost", ca); err == nil {
		t.Error("the old certificate is still in use")
	}
}

// TestNearerDeadlineStands: what TLS sets for its last words is not moved.
func TestNearerDeadlineStands(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	idle := &idleListener{l, time.Hour, new(unusedConns)}
	defer idle.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := idle.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, later := range []time.Time{{}, time.Now().Add(time.Hour), time.Now().Add(2 * time.Hour)} {
		if err := conn.SetWriteDeadline(later); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Errorf("deadline %v: %v", later, err)
		}
		if conn.(*idleConn).nearer.Load() {
			t.Errorf("deadline %v ends the connection", later)
		}
	}
	if _, ok := conn.(interface{ CloseWrite() error }); !ok {
		t.Error("net/http cannot end the connection in one direction")
	}
	if err := conn.SetDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
}

// TestHandshakeDeadlineIsLifted: the time that a handshake may take is not that
// of the connection.
func TestHandshakeDeadlineIsLifted(t *testing.T) {
	const handshake = 300 * time.Millisecond
	for protocol, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		s, _ := open(t, func(c *config.Config) { c.TLS, c.ReadHeaderTimeout = config.TLSAuto, handshake })
		addr := start(t, s)
		transport := trusting(t, addr, s.CAFile())
		defer transport.CloseIdleConnections()
		transport.ForceAttemptHTTP2 = http2
		for i := range 2 {
			var reused bool
			trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused }}
			req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "https://localhost/v2/", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatalf("%s: request %d: %v", protocol, i, err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.Proto != protocol || reused != (i > 0) {
				t.Errorf("request %d: %s, connection reused: %v", i, resp.Proto, reused)
			}
			time.Sleep(2 * handshake)
		}
	}
}

// TestStalledStreamIsCut: a client of HTTP/2 that does not read a stream.
func TestStalledStreamIsCut(t *testing.T) {
	s, _ := open(t, func(c *config.Config) { c.TLS, c.TransferTimeout = config.TLSAuto, 20*time.Millisecond })
	failed := make(chan error, 1)
	s.dist = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 1<<20)
		for range 1000 {
			if _, err := w.Write(piece); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	})
	addr := start(t, s)
	transport := trusting(t, addr, s.CAFile())
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Fatalf("the test is for HTTP/2, not %s", resp.Proto)
	}
	if err := <-failed; err == nil {
		t.Error("a stream that nobody reads took everything")
	}
}
