package registries

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Certificates are what certs.d has for a registry.
type Certificates struct {
	// Authorities are in PEM, beside those of the system; nil: none.
	Authorities []byte
	// Clients are certificates to show to the registry.
	Clients []tls.Certificate
}

// Certificates returns what the first directory for a registry, host[:port] as
// in a reference, holds; nil if there is none. A directory that may not be read
// counts as absent. Files *.crt are authorities, *.cert and *.key client
// certificates; one without the other is an error.
func (l Locations) Certificates(host string) (*Certificates, error) {
	if runtime.GOOS == "windows" {
		host = strings.ReplaceAll(host, ":", "") // no file's name has one there
	}
	for _, base := range l.Certs {
		dir := filepath.Join(base, host)
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		c := &Certificates{}
		for _, e := range entries {
			if err := c.add(dir, e.Name()); err != nil {
				return nil, fmt.Errorf("read certificates: %w", err)
			}
		}
		return c, nil
	}
	return nil, nil
}

func (c *Certificates) add(dir, name string) error {
	path := filepath.Join(dir, name)
	base, isCert := strings.CutSuffix(path, ".cert")
	keyBase, isKey := strings.CutSuffix(path, ".key")
	switch {
	case strings.HasSuffix(name, ".crt"):
		return c.addAuthority(path)
	case isCert:
		if !exists(base + ".key") {
			return fmt.Errorf("%s has no key %s.key (an authority has the ending .crt)", path, filepath.Base(base))
		}
		pair, err := tls.LoadX509KeyPair(path, base+".key")
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		c.Clients = append(c.Clients, pair)
	case isKey && !exists(keyBase+".cert"):
		return fmt.Errorf("%s has no certificate %s.cert", path, filepath.Base(keyBase))
	}
	return nil
}

func (c *Certificates) addAuthority(path string) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a link that leads nowhere
	}
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(raw) {
		return fmt.Errorf("%s holds no certificate in PEM", path)
	}
	c.Authorities = append(append(c.Authorities, raw...), '\n')
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
