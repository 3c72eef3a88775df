// Package tlsauto lets a server speak TLS without anybody making certificates:
// it makes a local authority once, kept in a directory, and certificates for
// the names of the server as they are asked for, kept in memory. A client that
// trusts ca.pem of that directory trusts the server.
package tlsauto

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

const (
	certFile = "ca.pem"
	keyFile  = "ca-key.pem"

	authorityLife = 10 * 365 * 24 * time.Hour
	backdate      = time.Hour // clocks of clients may be behind
)

// Authority signs certificates. It may be used concurrently.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	now  func() time.Time
}

// Open reads the authority in dir, or makes one if there is none. The caller
// sees to it that one process at a time does so. now is the clock; nil means
// time.Now.
func Open(dir string, now func() time.Time) (*Authority, error) {
	if now == nil {
		now = time.Now
	}
	a := &Authority{dir: dir, now: now}
	err := a.load()
	if errors.Is(err, fs.ErrNotExist) {
		err = a.create()
	}
	if err != nil {
		return nil, fmt.Errorf("local certificate authority: %w", err)
	}
	return a, nil
}

// CertFile is the path of the authority's certificate, for clients to trust.
func (a *Authority) CertFile() string { return filepath.Join(a.dir, certFile) }

// Fingerprint is the SHA-256 of the authority's certificate, in hex.
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.cert.Raw)
	return hex.EncodeToString(sum[:])
}

func (a *Authority) load() error {
	certPEM, err := os.ReadFile(filepath.Join(a.dir, certFile))
	if err != nil {
		return err
	}
	keyPEM, err := os.ReadFile(filepath.Join(a.dir, keyFile))
	if err != nil {
		return err
	}
	if a.cert, err = parseCert(certPEM); err != nil {
		return fmt.Errorf("%s: %w", certFile, err)
	}
	if a.key, err = parseKey(keyPEM); err != nil {
		return fmt.Errorf("%s: %w", keyFile, err)
	}
	if !a.key.PublicKey.Equal(a.cert.PublicKey) {
		return fmt.Errorf("%s is not the key of %s", keyFile, certFile)
	}
	if a.now().After(a.cert.NotAfter) {
		return fmt.Errorf("%s has expired; remove it and %s, and a new authority is made, which clients must trust anew", certFile, keyFile)
	}
	return nil
}

func parseCert(raw []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("not a certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

func parseKey(raw []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("not a private key in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("not a private key in PKCS #8") // the cause might quote the key
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("not an ECDSA key")
	}
	return ec, nil
}

func (a *Authority) create() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := a.now()
	// A part of the key in the name tells the authorities of several servers apart.
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{Organization: []string{"Orlop"}, CommonName: "Orlop local authority " + shortID(key)},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	a.key = key
	return a.save(der)
}

// save writes the key before the certificate: load looks for the certificate
// first, so a crash between the two leaves no authority rather than half of one.
func (a *Authority) save(der []byte) error {
	raw, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return err
	}
	if err := writeFile(a.dir, keyFile, &pem.Block{Type: "PRIVATE KEY", Bytes: raw}, 0o600); err != nil {
		return err
	}
	return writeFile(a.dir, certFile, &pem.Block{Type: "CERTIFICATE", Bytes: der}, 0o644)
}

func writeFile(dir, name string, block *pem.Block, mode fs.FileMode) error {
	tmp := filepath.Join(dir, name+".tmp")
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = bytes.NewReader(pem.EncodeToMemory(block)).WriteTo(f)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, name))
}

func newSerial() *big.Int {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	raw[0] &= 0x7f           // positive, as RFC 5280 asks
	return new(big.Int).SetBytes(raw[:])
}

func shortID(key *ecdsa.PrivateKey) string {
	raw, err := key.PublicKey.Bytes()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:4])
}
