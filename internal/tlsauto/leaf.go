package tlsauto

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	leafLife  = 365 * 24 * time.Hour
	renewLeft = 30 * 24 * time.Hour // renew when so little is left
	maxLeaves = 256                 // kept in memory
)

// errName refuses a name that is not ours. crypto/tls tells the client no more
// than that there is no such name.
var errName = errors.New("no certificate for this server name")

// Names are the names that certificates are made for. Addresses of the machine
// itself are always among them, and so is localhost.
type Names struct {
	Hosts   []string // host names and addresses
	Domains []string // a domain itself, and every name under it
}

// Certificates makes certificates on demand. It may be used concurrently.
type Certificates struct {
	authority *Authority
	names     Names
	key       *ecdsa.PrivateKey // of all leaves; made anew at every start

	mu     sync.Mutex
	leaves map[string]*tls.Certificate // guarded by mu
}

// Certificates returns a maker of certificates for names.
func (a *Authority) Certificates(names Names) (*Certificates, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return &Certificates{authority: a, names: names, key: key, leaves: map[string]*tls.Certificate{}}, nil
}

// Get returns the certificate for a connection: for the name that the client
// asks for, or for the address it reached if it names none. It is what
// tls.Config.GetCertificate wants.
func (c *Certificates) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name, ok := c.name(hello)
	if !ok {
		return nil, errName
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if leaf := c.leaves[name]; leaf != nil && leaf.Leaf.NotAfter.Sub(c.authority.now()) > renewLeft {
		return leaf, nil
	}
	leaf, err := c.make(name)
	if err != nil {
		return nil, err
	}
	if len(c.leaves) >= maxLeaves {
		clear(c.leaves) // making one again costs less than a request
	}
	c.leaves[name] = leaf
	return leaf, nil
}

func (c *Certificates) name(hello *tls.ClientHelloInfo) (string, bool) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if name == "" {
		if hello.Conn == nil {
			return "localhost", true
		}
		local, err := netip.ParseAddrPort(hello.Conn.LocalAddr().String())
		return local.Addr().Unmap().WithZone("").String(), err == nil
	}
	return name, c.serves(name)
}

func (c *Certificates) serves(name string) bool {
	if name == "localhost" || slices.Contains(c.names.Hosts, name) {
		return true
	}
	return slices.ContainsFunc(c.names.Domains, func(d string) bool {
		under, ok := strings.CutSuffix(name, d)
		return ok && (under == "" || isLabels(under))
	})
}

// isLabels tells whether s is labels of a host name, each with its dot. Names
// of more labels or letters than login servers have are not ours.
func isLabels(s string) bool {
	labels, ok := strings.CutSuffix(s, ".")
	if !ok || len(s) > 128 {
		return false
	}
	for label := range strings.SplitSeq(labels, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

func (c *Certificates) make(name string) (*tls.Certificate, error) {
	now := c.authority.now()
	template := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{Organization: []string{"Orlop"}},
		NotBefore:    now.Add(-backdate),
		NotAfter:     earlier(now.Add(leafLife), c.authority.cert.NotAfter),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.authority.cert, &c.key.PublicKey, c.authority.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, c.authority.cert.Raw}, PrivateKey: c.key, Leaf: leaf}, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
