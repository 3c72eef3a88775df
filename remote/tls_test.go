package remote_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

// tlsRegistry starts a registry with TLS and opens it with a client that
// trusts its certificate only.
func tlsRegistry(t *testing.T, h http.HandlerFunc) *remote.Registry {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	transport := remote.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	r, err := remote.New(strings.TrimPrefix(s.URL, "https://"), remote.Options{
		Transport:  transport,
		Credential: auth.Static(auth.Credential{Username: "u", Password: "s3cret"}),
		Retry:      remote.RetryOptions{MinWait: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// selfSigned makes a certificate for 127.0.0.1 that nobody trusts.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func challenge(realm string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Www-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="s"`, realm))
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func TestTokenServiceNeedsATrustedCertificate(t *testing.T) {
	asked := false
	tokens := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = true
		_, _ = io.WriteString(w, `{"token":"t"}`)
	}))
	tokens.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, MinVersion: tls.VersionTLS12}
	tokens.Config.ErrorLog = nil
	tokens.StartTLS()
	t.Cleanup(tokens.Close)
	err := tlsRegistry(t, challenge(tokens.URL)).Ping(t.Context())
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || asked {
		t.Errorf("error %v; the token service was asked: %t", err, asked)
	}
}

func TestTLSIsNotLeft(t *testing.T) {
	other := elsewhere(t, "content")
	if err := tlsRegistry(t, challenge(other.URL)).Ping(t.Context()); !errors.Is(err, auth.ErrRealm) {
		t.Errorf("a token service without TLS: %v", err)
	}
	r := tlsRegistry(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/object", http.StatusTemporaryRedirect)
	})
	if b, err := r.OpenBlob(t.Context(), "a", digest.FromString("content"), 0, -1); !errors.Is(err, remote.ErrRedirect) {
		if err == nil {
			_ = b.Close()
		}
		t.Errorf("a redirect without TLS: %v", err)
	}
	if len(other.seen()) != 0 {
		t.Errorf("the other origin was asked %q", other.seen())
	}
}

// TestWrongProtocolIsNotTriedAgain: TLS with a server that has none, and the
// other way round.
func TestWrongProtocolIsNotTriedAgain(t *testing.T) {
	f := newFake(t, func(http.ResponseWriter, *http.Request) {})
	r, err := remote.New(f.host(), remote.Options{Retry: remote.RetryOptions{MinWait: time.Hour, MaxWait: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Ping(t.Context()); err == nil {
		t.Error("no error")
	}
}
