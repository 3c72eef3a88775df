package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/meta"
)

func TestValidHost(t *testing.T) {
	for host, want := range map[string]bool{
		"r.example": true, "R.Example:5000": true, "localhost": true, "127.0.0.1:5000": true, "[::1]:5000": true, "[2001:db8::1]": true, "a_b": true,
		"": false, ":5000": false, "a:": false, "a:b": false, "a:123456": false, "a b": false, `a"b`: false, "a/b": false, "a,b": false,
		"::1": false, "[::1": false, "[a]": false, "[::1%eth0]": false, "a@b": false, "a\r\nb": false, "a:1:2": false, "ü": false,
		strings.Repeat("a", 256): false,
	} {
		if validHost(host) != want {
			t.Errorf("%q is %v", host, !want)
		}
	}
}

// byName is a table of hosts.
type byName map[string]int64

func (h byName) Resolve(_ context.Context, host string) (int64, error) {
	id, ok := h[host]
	switch {
	case ok:
		return id, nil
	case strings.HasPrefix(host, "nobody."):
		return 0, orlop.ErrNameUnknown
	}
	return meta.DefaultRegistry, nil
}

func TestSite(t *testing.T) {
	g := New(Options{Hosts: byName{"one.example": 7, "::1": 8}})
	for host, want := range map[string]int64{"ONE.example": 7, "one.example:5000": 7, "[::1]:80": 8, "[::1]": 8, "two.example": meta.DefaultRegistry} {
		r := httptest.NewRequest("GET", "/v2/", nil)
		r.Host = host
		s, err := g.Site(r)
		if err != nil || s.Registry != want || s.LoginServer != strings.ToLower(host) || s.Scheme != "http" {
			t.Errorf("%s: %+v, %v", host, s, err)
		}
	}
	gone := httptest.NewRequest("GET", "/v2/", nil)
	gone.Host = "nobody.example"
	if _, err := g.Site(gone); !errors.Is(err, orlop.ErrNameUnknown) {
		t.Errorf("a host that names no registry: %v", err)
	}
	r := httptest.NewRequest("GET", "/v2/", nil)
	r.TLS = &tls.ConnectionState{}
	if s, err := g.Site(r); err != nil || s.Scheme != "https" {
		t.Errorf("%+v, %v", s, err)
	}
	e := newEnv(t, authn.Options{})
	r.Host = `evil",realm="http://evil`
	if _, w := e.try(r); w.Code != 400 || w.Header().Get("Www-Authenticate") != "" {
		t.Errorf("a malformed host: %d %s", w.Code, w.Header().Get("Www-Authenticate"))
	}
}

// TestForwarded is threat S22: forwarded headers count only from the peers that
// may send them.
func TestForwarded(t *testing.T) {
	for _, c := range []struct {
		name, peer, forwarded string
		trusted               string
		want                  Site
	}{
		{"nobody is trusted", "10.0.0.1", "203.0.113.9", "", Site{"http", "direct.example", meta.DefaultRegistry, netip.MustParseAddr("10.0.0.1")}},
		{"another peer", "192.0.2.66", "203.0.113.9", "10.0.0.0/8", Site{"http", "direct.example", meta.DefaultRegistry, netip.MustParseAddr("192.0.2.66")}},
		{"the proxy", "10.0.0.1", "203.0.113.9", "10.0.0.0/8", Site{"https", "public.example", meta.DefaultRegistry, netip.MustParseAddr("203.0.113.9")}},
		{"two proxies", "10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2", "10.0.0.0/8", Site{"https", "public.example", meta.DefaultRegistry, netip.MustParseAddr("203.0.113.9")}},
		{"junk", "10.0.0.1", "unknown", "10.0.0.0/8", Site{"https", "public.example", meta.DefaultRegistry, netip.MustParseAddr("10.0.0.1")}},
		{"nothing", "10.0.0.1", "", "10.0.0.0/8", Site{"https", "public.example", meta.DefaultRegistry, netip.MustParseAddr("10.0.0.1")}},
	} {
		o := Options{}
		if c.trusted != "" {
			o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(c.trusted)}
		}
		r := httptest.NewRequest("GET", "http://direct.example/v2/", nil)
		r.RemoteAddr = c.peer + ":1234"
		r.Header.Set("X-Forwarded-Host", "evil.example, public.example")
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-For", c.forwarded)
		got, err := New(o).Site(r)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, h := range []string{"a", "a:1", "[::1]:1", `a"`, "a:b:c", "[", "]"} {
		f.Add(h)
	}
	g := New(Options{})
	f.Fuzz(func(t *testing.T, host string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		s, err := g.Site(r)
		if err == nil && strings.ContainsAny(s.LoginServer, "\"\\ ,/\r\n\x00<>") {
			t.Errorf("%q passes as %q", host, s.LoginServer)
		}
	})
}
