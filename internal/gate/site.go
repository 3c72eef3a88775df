package gate

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/orlop/orlop"
)

// Site is where a request was sent, and from where.
type Site struct {
	Scheme      string // "http" or "https"
	LoginServer string // host[:port] as the client named it, in lower case
	Registry    int64
	From        netip.Addr // of the client; the zero Addr if unknown
}

var errHost = &orlop.Error{Code: orlop.CodeUnsupported, Status: http.StatusBadRequest, Message: "invalid Host header"}

// Site finds out which registry a request is for. The host is what the client
// says, and is used for nothing but to find the registry and for links back; a
// malformed one, and one that names no registry, fails with an error for
// WriteError.
func (g *Gate) Site(r *http.Request) (Site, error) {
	s := Site{Scheme: "http", LoginServer: r.Host, From: peer(r)}
	if r.TLS != nil {
		s.Scheme = "https"
	}
	if len(g.proxies) > 0 && g.trusted(s.From) {
		g.forwarded(r, &s)
	}
	if !validHost(s.LoginServer) {
		return Site{}, errHost
	}
	s.LoginServer = strings.ToLower(s.LoginServer)
	var err error
	s.Registry, err = g.hosts.Resolve(r.Context(), withoutPort(s.LoginServer))
	return s, err
}

func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

func (g *Gate) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(g.proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// forwarded takes over what a trusted proxy says of the request it passes on.
func (g *Gate) forwarded(r *http.Request, s *Site) {
	if host := lastElement(r.Header.Values("X-Forwarded-Host")); host != "" {
		s.LoginServer = host
	}
	switch proto := lastElement(r.Header.Values("X-Forwarded-Proto")); proto {
	case "http", "https":
		s.Scheme = proto
	}
	// Each proxy appends its peer: the last that is not one of ours is the
	// client; what is before may be forged.
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return
		}
		s.From = a.Unmap()
		if !g.trusted(s.From) {
			return
		}
	}
}

func lastElement(values []string) string {
	if len(values) == 0 {
		return ""
	}
	v := values[len(values)-1]
	return strings.TrimSpace(v[strings.LastIndexByte(v, ',')+1:])
}

// validHost accepts what may stand in a header and a URL as it is: a name or an
// IPv4 address, or an IPv6 address in brackets, with or without a port.
func validHost(host string) bool {
	if len(host) > 255 {
		return false
	}
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		if name, port = host[:i], host[i+1:]; port == "" || len(port) > 5 {
			return false
		}
	}
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
	}
	if v6, ok := strings.CutPrefix(name, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(v6, "]"))
		return err == nil && a.Is6() && a.Zone() == "" && strings.HasSuffix(name, "]")
	}
	for i := range len(name) {
		if !hostByte(name[i]) {
			return false
		}
	}
	return name != ""
}

func hostByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_'
}

func withoutPort(host string) string {
	if strings.IndexByte(host, ':') < 0 {
		return host
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}
