package federation

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
)

// checkProxy tells what is wrong with the URL of a proxy; "" is none.
func checkProxy(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("proxy %q is no http://HOST:PORT", s)
	}
	return nil
}

// proxies are those that an issuer is asked through. The server's owner has
// named them, so that they may be on this machine, where an issuer may not be.
// What a proxy connects to is the proxy's own decision.
type proxies struct {
	choose func(*http.Request) (*url.URL, error)

	mu    sync.Mutex
	known map[string]bool // HOST:PORT
}

func newProxies(c Issuer) *proxies {
	p := &proxies{choose: http.ProxyFromEnvironment, known: map[string]bool{}}
	if u, err := url.Parse(c.Proxy); c.Proxy != "" && err == nil { // checked by validate
		p.choose = http.ProxyURL(u)
	}
	return p
}

// proxy is what http.Transport.Proxy wants.
func (p *proxies) proxy(r *http.Request) (*url.URL, error) {
	u, err := p.choose(r)
	if u != nil && err == nil {
		p.mu.Lock()
		p.known[address(u)] = true
		p.mu.Unlock()
	}
	return u, err
}

func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// dial connects to a proxy, or, as careful does, to the issuer itself.
func (p *proxies) dial(careful *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: fetchTimeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		p.mu.Lock()
		known := p.known[address]
		p.mu.Unlock()
		if known {
			return plain.DialContext(ctx, network, address)
		}
		return careful.DialContext(ctx, network, address)
	}
}
