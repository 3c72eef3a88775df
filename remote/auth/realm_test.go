package auth

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"testing"
)

// names is a resolver with few names.
type names map[string][]string

func (n names) lookup(_ context.Context, host string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, a := range n[host] {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	if addrs == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return addrs, nil
}

func TestRealm(t *testing.T) {
	resolver := names{
		"auth.docker.example": {"8.8.8.8", "2606:4700::1111"},
		"mixed.example":       {"8.8.8.8", "127.0.0.1"},
		"inside.example":      {"10.1.2.3"},
		"auth.corp.example":   {"10.1.2.3"},
		"rebind.corp.example": {"127.0.0.1"},
		"meta.corp.example":   {"169.254.169.254"},
		"mapped.example":      {"::ffff:10.0.0.1"},
		"nat64.example":       {"64:ff9b::a9fe:a9fe"},
		"cgnat.example":       {"100.100.100.200"},
	}
	const tls, plainHTTP = "https://registry.corp.example", "http://registry.corp.example:5000"
	tests := []struct {
		registry, realm string
		good            bool
	}{
		{tls, "https://registry.corp.example/token", true},
		{tls, "https://REGISTRY.corp.example:8443/token?a=b", true},
		{tls, "https://auth.docker.example/token", true},
		{tls, "https://auth.corp.example/token", true}, // private, but the same domain
		{tls, "https://trusted.example/token", true},
		{tls, "https://unresolved.example/token", true},
		{plainHTTP, "http://registry.corp.example:5001/token", true},
		{plainHTTP, "http://auth.corp.example/token", true},
		{plainHTTP, "https://auth.docker.example/token", true},
		{"http://127.0.0.1:5000", "http://127.0.0.1:5001/token", true},
		{"http://localhost:5000", "http://localhost:5001/token", true},

		{tls, "http://registry.corp.example/token", false}, // downgrade
		{tls, "http://auth.docker.example/token", false},
		{plainHTTP, "http://auth.docker.example/token", false},
		{"http://localhost:5000", "http://127.0.0.1:5001/token", false},
		{"http://127.0.0.1:5000", "http://127.0.0.2:5001/token", false},
		{tls, "https://mixed.example/token", false},
		{tls, "https://inside.example/token", false},
		{tls, "https://rebind.corp.example/token", false},
		{tls, "https://meta.corp.example/token", false},
		{tls, "https://mapped.example/token", false},
		{tls, "https://nat64.example/token", false},
		{tls, "https://cgnat.example/token", false},
		{tls, "https://localhost/token", false},
		{tls, "https://localhost./token", false},
		{tls, "https://a.localhost/token", false},
		{tls, "https://127.0.0.1/token", false},
		{tls, "https://169.254.169.254/latest", false},
		{tls, "https://[::1]/token", false},
		{tls, "https://[fe80::1]/token", false},
		{tls, "https://[fd00:ec2::254]/token", false},
		{tls, "https://0.0.0.0/token", false},
		{tls, "https://192.168.0.1/token", false},
		{tls, "https://2130706433/token", false},
		{tls, "https://0x7f.1/token", false},
		{tls, "https://user:pw@registry.corp.example/token", false},
		{tls, "ftp://registry.corp.example/token", false},
		{tls, "/token", false},
		{tls, "", false},
		{tls, "https:///token", false},
		{tls, "https://registry.corp.example\x00/", false},
	}
	for _, tt := range tests {
		origin, err := url.Parse(tt.registry)
		if err != nil {
			t.Fatal(err)
		}
		tr := NewTransport(nil, Options{Origin: origin, TokenHosts: []string{"trusted.example"}})
		tr.resolver = resolver
		_, err = tr.realm(t.Context(), tt.realm)
		if tt.good && err != nil || !tt.good && !errors.Is(err, ErrRealm) {
			t.Errorf("registry %s, realm %q: %v", tt.registry, tt.realm, err)
		}
	}
}
