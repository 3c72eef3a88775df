package auth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// ErrRealm reports a token service that must not be given credentials, or
// even be spoken to.
var ErrRealm = errors.New("the registry names a token service that is not trusted")

// resolver finds the addresses of a host.
type resolver interface {
	lookup(ctx context.Context, host string) ([]netip.Addr, error)
}

type systemResolver struct{}

func (systemResolver) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func parseRealm(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%w: its realm is not an http or https URL", ErrRealm)
	}
	return u, nil
}

// checkRealm decides whether a URL may be the token service of the registry,
// for it will be sent the user's credentials, and the registry could make the
// client send requests to places that only the client can reach.
//
//   - A registry with TLS has a token service with TLS.
//   - The host of the registry itself may be it, on any port, and so may the
//     hosts that the user trusts (TokenHosts).
//   - A host in the same domain may be it, but for loopback and link-local
//     addresses. The domain is the registry's name without its first label, if
//     at least two labels are left.
//   - Any other host needs TLS and public addresses only.
func (t *Transport) checkRealm(ctx context.Context, u *url.URL) error {
	if t.o.Origin.Scheme == "https" && u.Scheme != "https" {
		return realmError(u, "it has no TLS but the registry has")
	}
	host, own := hostname(u), hostname(t.o.Origin)
	if host == own || slices.ContainsFunc(t.o.TokenHosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return nil
	}
	if sameDomain(own, host) {
		return t.checkAddresses(ctx, u, host, isNear)
	}
	if u.Scheme != "https" {
		return realmError(u, "it is on another host without TLS")
	}
	return t.checkAddresses(ctx, u, host, isPublic)
}

// hostname returns the host of a URL in the one form that names compare in.
func hostname(u *url.URL) string { return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") }

func realmError(u *url.URL, why string) error {
	return fmt.Errorf("%w: %s://%s: %s", ErrRealm, u.Scheme, u.Host, why)
}

// checkAddresses checks every address of a host. A name that cannot be
// resolved here passes: only a proxy could reach it, and resolves it itself.
func (t *Transport) checkAddresses(ctx context.Context, u *url.URL, host string, good func(netip.Addr) bool) error {
	addrs, err := t.addresses(ctx, host)
	if err != nil {
		return realmError(u, err.Error())
	}
	for _, a := range addrs {
		if !good(plain(a)) {
			return realmError(u, "it is not at a public address")
		}
	}
	return nil
}

func (t *Transport) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if endsInNumber(host) {
		return nil, errors.New("its host is an address in an unusual form")
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return []netip.Addr{netip.IPv6Loopback()}, nil
	}
	addrs, err := t.resolver.lookup(ctx, host)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return addrs, nil
}

// sameDomain tells whether host is in the domain of the registry.
func sameDomain(registry, host string) bool {
	if _, err := netip.ParseAddr(registry); err == nil {
		return false
	}
	_, domain, ok := strings.Cut(registry, ".")
	return ok && strings.Contains(domain, ".") && (host == domain || strings.HasSuffix(host, "."+domain))
}

// endsInNumber tells whether the last label is a number: some resolvers take
// "2130706433" and "0x7f.1" for addresses.
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last == "" || '0' <= last[0] && last[0] <= '9'
}

var (
	shared = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598; some clouds keep their metadata here
	thisIP = netip.MustParsePrefix("0.0.0.0/8")     // RFC 1122
	future = netip.MustParsePrefix("240.0.0.0/4")   // RFC 1112, and broadcast
	nat64  = netip.MustParsePrefix("64:ff9b::/96")  // RFC 6052: an IPv4 address at the end
	awsV6  = netip.MustParseAddr("fd00:ec2::254")   // a metadata service
)

// plain returns the IPv4 address that an IPv6 address stands for, if it does.
func plain(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// isNear tells whether an address may belong to another machine of the same
// organisation.
func isNear(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast() && !a.IsUnspecified() &&
		!thisIP.Contains(a) && !future.Contains(a) && a != awsV6 && a != netip.AddrFrom4([4]byte{100, 100, 100, 200})
}

// isPublic tells whether an address belongs to the internet.
func isPublic(a netip.Addr) bool { return isNear(a) && !a.IsPrivate() && !shared.Contains(a) }
