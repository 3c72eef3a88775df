package tlsauto

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func open(t *testing.T, dir string, now func() time.Time) *Authority {
	t.Helper()
	a, err := Open(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAuthorityIsMadeOnceAndKeptPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	first, second := open(t, dir, nil), open(t, dir, nil)
	if first.Fingerprint() != second.Fingerprint() {
		t.Error("the authority was made anew")
	}
	if other := open(t, t.TempDir(), nil); other.Fingerprint() == first.Fingerprint() {
		t.Error("two authorities are one")
	}
	for name, mode := range map[string]fs.FileMode{"": 0o700 | fs.ModeDir, keyFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != mode {
			t.Errorf("%q: mode %v, %v", name, info.Mode(), err)
		}
	}
}

func TestDamagedAuthorityIsAnErrorNotANewOne(t *testing.T) {
	for _, name := range []string{certFile, keyFile} {
		dir := t.TempDir()
		open(t, dir, nil)
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, nil); err == nil {
			t.Errorf("%s damaged: no error", name)
		}
	}
	one, two := t.TempDir(), t.TempDir()
	open(t, one, nil)
	open(t, two, nil)
	if err := os.Rename(filepath.Join(one, keyFile), filepath.Join(two, keyFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(two, nil); err == nil {
		t.Error("a foreign key: no error")
	}
}

func TestAuthorityWithoutItsCertificateIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, nil)
	if err := os.Remove(filepath.Join(dir, certFile)); err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil)
}

func TestExpiredAuthorityIsAnError(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, nil)
	later := func() time.Time { return time.Now().Add(authorityLife + time.Hour) }
	if _, err := Open(dir, later); err == nil {
		t.Error("no error")
	}
}

// handshake runs a TLS server with the certificates of names and connects to
// it on 127.0.0.1, asking for serverName.
func handshake(t *testing.T, a *Authority, names Names, serverName string) error {
	t.Helper()
	certs, err := a.Certificates(names)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: certs.Get})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, conn) // does the handshake, ends with the client
			conn.Close()
		}
	}()
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Minute}, "tcp", l.Addr().String(),
		&tls.Config{RootCAs: pool, ServerName: serverName})
	if err == nil {
		conn.Close()
	}
	return err
}

func TestNames(t *testing.T) {
	a := open(t, t.TempDir(), nil)
	names := Names{Hosts: []string{"registry.example"}, Domains: []string{"azurecr.localtest"}}
	for name, ok := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "registry.example": true, "azurecr.localtest": true,
		"myregistry.azurecr.localtest": true, "MyRegistry.AzureCR.localtest": true, "a.eastus.data.azurecr.localtest": true,
		"other.example": false, "xazurecr.localtest": false, "evil_name.azurecr.localtest": false,
		"registry.example.evil.test": false, "..azurecr.localtest": false,
	} {
		if err := handshake(t, a, names, name); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	certs, err := open(t, t.TempDir(), nil).Certificates(Names{Domains: []string{"test"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxLeaves / 2 {
		if _, err := certs.Get(&tls.ClientHelloInfo{ServerName: "r" + strconv.Itoa(i) + ".test"}); err != nil {
			t.Fatal(err)
		}
		if len(certs.leaves) > maxLeaves {
			t.Fatalf("%d certificates in memory", len(certs.leaves))
		}
	}
}

func TestRenewal(t *testing.T) {
	now := time.Now()
	certs, err := open(t, t.TempDir(), func() time.Time { return now }).Certificates(Names{})
	if err != nil {
		t.Fatal(err)
	}
	get := func() *tls.Certificate {
		t.Helper()
		leaf, err := certs.Get(&tls.ClientHelloInfo{ServerName: "localhost"})
		if err != nil {
			t.Fatal(err)
		}
		return leaf
	}
	first := get()
	if get() != first {
		t.Error("made twice")
	}
	now = now.Add(leafLife - renewLeft + time.Minute)
	if renewed := get(); renewed == first || renewed.Leaf.NotAfter.Before(now.Add(renewLeft)) {
		t.Error("not renewed")
	}
}
