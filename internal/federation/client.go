package federation

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

const (
	fetchTimeout = 10 * time.Second
	maxDocument  = 1 << 20 // bytes of an answer
	// A token that names a key nobody knows makes the keys be fetched again,
	// and anybody can write such a token: fetchBurst times, and then once in
	// fetchInterval.
	fetchInterval = 10 * time.Second
	fetchBurst    = 5
)

// errTooOften: the keys were fetched lately.
var errTooOften = errors.New("the issuer was asked lately")

// newClient returns a client for the documents of an issuer. It follows no
// redirect and takes only answers of a bounded size with status 200.
func newClient(c Issuer) *http.Client {
	via := newProxies(c)
	dialer := &net.Dialer{Timeout: fetchTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		return checkAddress(address, c.AllowLoopback)
	}}
	return &http.Client{
		Timeout: fetchTimeout,
		Transport: &transport{
			limit: rate.NewLimiter(rate.Every(fetchInterval), fetchBurst),
			base: &http.Transport{
				Proxy: via.proxy, DialContext: via.dial(dialer), TLSHandshakeTimeout: fetchTimeout, ForceAttemptHTTP2: true,
				MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 1,
			},
		},
	}
}

// transport fetches documents within the limits of newClient.
type transport struct {
	limit *rate.Limiter
	base  *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.limit.Allow() {
		return nil, errTooOften
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s answered %d", req.URL.Redacted(), resp.StatusCode)
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxDocument)
	return resp, nil
}

// checkAddress refuses to connect to this machine and to the link, where
// services listen that trust whoever reaches them. It sees what a name resolved
// to.
func checkAddress(address string, loopback bool) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	ip := a.Addr().Unmap().WithZone("")
	switch {
	case ip.IsLoopback():
		if !loopback {
			return fmt.Errorf("%s is this machine; allow-loopback permits it", ip)
		}
	case ip.IsUnspecified(), ip.IsLinkLocalUnicast(), ip.IsMulticast():
		return fmt.Errorf("%s is no address of an issuer", ip)
	}
	return nil
}

// checkURL tells what is wrong with the address of a document. Without TLS it
// must be on this machine.
func checkURL(s string, loopback bool) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return err
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q is no address of an issuer", s)
	case u.Scheme == "https", u.Scheme == "http" && loopback && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q does not begin with https://", s)
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
