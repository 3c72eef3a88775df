package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/orlop/orlop/internal/registries"
	"github.com/orlop/orlop/remote"
)

// trust says which certificates a registry may have, and what is shown to it.
type trust struct {
	any         bool   // whatever it shows
	authorities []byte // PEM
	only        bool   // these authorities only, not those of the system
	clients     []tls.Certificate
}

// trust returns what the flags say, and where they do not, what certs.d has for
// the registry.
func (o *remoteOptions) trust(env *Env, conn connection) (trust, error) {
	t := trust{any: conn.insecure}
	if !conn.foreign {
		t.any = t.any || o.insecure || o.anyCert
		if err := o.readFiles(&t); err != nil {
			return trust{}, err
		}
	}
	certs, err := registries.Default(env.Getenv).Certificates(conn.host)
	if err != nil || certs == nil {
		return t, err
	}
	if t.authorities == nil {
		t.authorities = certs.Authorities
	}
	if t.clients == nil {
		t.clients = certs.Clients
	}
	return t, nil
}

// readFiles reads the files of --ca-file, --cert-file and --key-file.
func (o *remoteOptions) readFiles(t *trust) (err error) {
	if o.caFile != "" {
		if t.authorities, err = os.ReadFile(o.caFile); err != nil {
			return fmt.Errorf("read certificate authority: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(t.authorities) {
			return fmt.Errorf("read certificate authority: no certificate in %s", o.caFile)
		}
		t.only = true
	}
	if o.certFile != "" {
		cert, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
		if err != nil {
			return fmt.Errorf("read client certificate: %w", err)
		}
		t.clients = []tls.Certificate{cert}
	}
	return nil
}

// own is the configuration of TLS for the registry itself.
func (t trust) own() *tls.Config {
	return &tls.Config{InsecureSkipVerify: t.any, RootCAs: t.roots(t.only), Certificates: t.clients}
}

// others is the configuration for all other hosts: the token service, and where
// content lies. They get no certificate of the user's, and need one of their
// own that is valid; the registry's authority may have given it.
func (t trust) others() *tls.Config { return &tls.Config{RootCAs: t.roots(false)} }

// roots returns the authorities, nil for those of the system.
func (t trust) roots(only bool) *x509.CertPool {
	if t.authorities == nil {
		return nil
	}
	pool := x509.NewCertPool()
	if !only {
		if system, err := x509.SystemCertPool(); err == nil {
			pool = system
		}
	}
	pool.AppendCertsFromPEM(t.authorities)
	return pool
}

// transport makes the HTTP transport to a registry, and decides whether it
// speaks plain HTTP.
func (o *remoteOptions) transport(env *Env, conn connection) (_ http.RoundTripper, plainHTTP bool, err error) {
	t, err := o.trust(env, conn)
	if err != nil {
		return nil, false, err
	}
	addresses, err := o.addresses()
	if err != nil {
		return nil, false, err
	}
	own := newTransport(t.own(), addresses)
	others := sync.OnceValue(func() http.RoundTripper { return newTransport(t.others(), addresses) })
	return &hostTransport{host: conn.host, own: own, others: others}, o.usePlainHTTP(conn, t), nil
}

// usePlainHTTP decides between HTTP and HTTPS. Without a flag it is HTTP for
// localhost and loopback addresses, whose traffic never leaves the machine,
// unless something shows that TLS is meant.
func (o *remoteOptions) usePlainHTTP(conn connection, t trust) bool {
	switch {
	case !conn.foreign && o.flags.Changed(o.name("plain-http")):
		return o.plainHTTP
	case conn.insecure:
		return conn.plainHTTP
	case t.authorities != nil, t.clients != nil, !conn.foreign && (o.caFile != "" || o.certFile != "" || o.insecure):
		return false
	}
	return isLoopback(conn.host)
}

// hostTransport keeps what is granted to a registry from all other hosts.
type hostTransport struct {
	host   string // of the registry; a port does not matter
	own    http.RoundTripper
	others func() http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *hostTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	name := hostname(t.host)
	if name == "docker.io" {
		name = "registry-1.docker.io"
	}
	if !strings.EqualFold(req.URL.Hostname(), name) {
		return t.others().RoundTrip(req)
	}
	resp, err := t.own.RoundTrip(req)
	if err == nil && req.URL.Scheme == "http" && resp.StatusCode == http.StatusBadRequest {
		explainTLS(resp)
	}
	return resp, err
}

// explainTLS makes an error of the registry's kind of what a server for TLS says
// to plain HTTP, so that it is shown.
func explainTLS(resp *http.Response) {
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what can be read is enough
	if !answersTLS(string(said)) {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(said), resp.Body), resp.Body}
		return
	}
	resp.Body.Close()
	raw := `{"errors":[{"code":"UNKNOWN","message":"` + asksForTLS + `"}]}`
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(raw)), int64(len(raw))
	resp.Header.Del("Content-Length")
}

// newTransport makes a transport that dials other addresses for some
// host:port, which are in lower case.
func newTransport(config *tls.Config, addresses map[string]string) *http.Transport {
	t := remote.NewTransport()
	t.TLSClientConfig = config
	if len(addresses) == 0 {
		return t
	}
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if to, ok := addresses[strings.ToLower(addr)]; ok {
			addr = to
		}
		return dial(ctx, network, addr)
	}
	return t
}
