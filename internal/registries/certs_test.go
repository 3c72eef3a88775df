package registries

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate makes a certificate and its key, in PEM.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
}

func TestCertificates(t *testing.T) {
	cert, key := certificate(t)
	user, system := t.TempDir(), t.TempDir()
	l := Locations{Certs: []string{user, system}}
	if c, err := l.Certificates("reg.example:5000"); c != nil || err != nil {
		t.Errorf("where there are none: %v, %v", c, err)
	}
	dir := filepath.Join(system, "reg.example:5000")
	write(t, filepath.Join(dir, "ca.crt"), strings.TrimSpace(cert))
	write(t, filepath.Join(dir, "other.crt"), cert)
	write(t, filepath.Join(dir, "client.cert"), cert)
	write(t, filepath.Join(dir, "client.key"), key)
	write(t, filepath.Join(dir, "README"), "x")
	if err := os.Symlink("nowhere", filepath.Join(dir, "link.crt")); err != nil {
		t.Fatal(err)
	}
	c, err := l.Certificates("reg.example:5000")
	if err != nil || strings.Count(string(c.Authorities), "BEGIN CERTIFICATE") != 2 || len(c.Clients) != 1 {
		t.Errorf("Certificates = %+v, %v", c, err)
	}
	if rest, _ := pem.Decode(c.Authorities); rest == nil || !x509.NewCertPool().AppendCertsFromPEM(c.Authorities) {
		t.Error("the authorities cannot be read again")
	}
	for _, host := range []string{"reg.example", "reg.example:500", "reg.example:50000"} {
		if c, err := l.Certificates(host); c != nil || err != nil {
			t.Errorf("%s has those of another host: %v, %v", host, c, err)
		}
	}
	write(t, filepath.Join(user, "reg.example:5000", "mine.crt"), cert)
	if c, _ := l.Certificates("reg.example:5000"); strings.Count(string(c.Authorities), "BEGIN") != 1 || len(c.Clients) != 0 {
		t.Errorf("the user's directory does not stand alone: %+v", c)
	}
}

func TestBadCertificates(t *testing.T) {
	cert, key := certificate(t)
	_, otherKey := certificate(t)
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"certificate alone": {map[string]string{"client.cert": cert}, "client.cert has no key client.key"},
		"key alone":         {map[string]string{"client.key": key}, "client.key has no certificate client.cert"},
		"other names":       {map[string]string{"a.cert": cert, "b.key": key}, "a.cert has no key a.key"},
		"another key":       {map[string]string{"a.cert": cert, "a.key": otherKey}, "a.cert: "},
		"no certificate":    {map[string]string{"ca.crt": key}, "ca.crt holds no certificate"},
	} {
		base := t.TempDir()
		for file, content := range tt.files {
			write(t, filepath.Join(base, "reg.example", file), content)
		}
		_, err := Locations{Certs: []string{base}}.Certificates("reg.example")
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: error %v, want %s", name, err, tt.want)
		}
	}
}
