package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/tlsauto"
)

// newTLSConfig returns the TLS configuration, nil for plain HTTP, and the file
// of the authority that clients must trust, "" if they know it already.
func newTLSConfig(cfg *config.Config, dir *dataDir, log *slog.Logger) (*tls.Config, string, error) {
	switch {
	case cfg.TLSCert != "":
		files := &certFiles{cert: cfg.TLSCert, key: cfg.TLSKey, log: log}
		if err := files.load(); err != nil {
			return nil, "", err
		}
		return &tls.Config{GetCertificate: files.get, MinVersion: tls.VersionTLS12}, "", nil
	case cfg.TLS != config.TLSAuto:
		return nil, "", nil
	}
	authority, err := tlsauto.Open(dir.join("tls"), nil)
	if err != nil {
		return nil, "", err
	}
	certs, err := authority.Certificates(tlsauto.Names{Hosts: listenHosts(cfg), Domains: cfg.Domain})
	if err != nil {
		return nil, "", err
	}
	return &tls.Config{GetCertificate: certs.Get, MinVersion: tls.VersionTLS12}, authority.CertFile(), nil
}

// listenHosts are the hosts of the addresses, and the name of the machine
// where one of them is every address.
func listenHosts(cfg *config.Config) []string {
	var hosts []string
	for _, addr := range cfg.Listen {
		host, _, _ := net.SplitHostPort(addr) // validated
		if host != "" {
			hosts = append(hosts, strings.ToLower(host))
		}
		if name, err := os.Hostname(); err == nil && !config.IsLoopback(host) {
			hosts = append(hosts, strings.ToLower(name))
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// certFiles is a certificate from files, read again when they change.
type certFiles struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	stamp  [2]stamp // guarded by mu, like loaded
	loaded *tls.Certificate
}

// stamp tells versions of a file apart.
type stamp struct {
	modified time.Time
	size     int64
}

// get is what tls.Config.GetCertificate wants. Two calls of stat at each
// handshake are small beside the handshake. A pair that cannot be used, one
// half written for example, leaves the one before in force.
func (c *certFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.stamps(); now != c.stamp {
		if err := c.loadLocked(now); err != nil {
			c.log.Error("certificate not reloaded", "error", err)
		} else {
			c.log.Info("certificate reloaded", "file", c.cert)
		}
		c.stamp = now // do not try, and log, again until the files change again
	}
	return c.loaded, nil
}

func (c *certFiles) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loadLocked(c.stamps())
}

func (c *certFiles) loadLocked(now [2]stamp) error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("TLS certificate: %w", err)
	}
	c.loaded, c.stamp = &pair, now
	return nil
}

func (c *certFiles) stamps() (stamps [2]stamp) {
	for i, name := range []string{c.cert, c.key} {
		if info, err := os.Stat(name); err == nil {
			stamps[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return stamps
}
