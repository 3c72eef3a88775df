// Package config holds the settings of the registry server. Each setting has
// one name, used for the flag (--data), the environment variable
// (ORLOPD_DATA) and the key in the YAML file (data), and is one row in the
// table of settings.go: flags, environment, file, printing and documentation
// all come from that table.
package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Values of Config.TLS.
const (
	TLSOff  = "off"
	TLSAuto = "auto"
)

// Values of Config.LogFormat.
const (
	LogText = "text"
	LogJSON = "json"
)

// MaxSmallBlobSize is the largest SmallBlobSize, in bytes.
const MaxSmallBlobSize = 1 << 20

// Config is the whole configuration of a server. Default gives the values to
// start from; the zero value is not usable.
type Config struct {
	Listen       []string // addresses, HOST:PORT
	Data         string   // directory
	InsecureHTTP bool     // plain HTTP on addresses that are not loopback

	MetricsListen string // address, HOST:PORT; "": none
	MetricsOpen   bool   // MetricsListen need not be loopback

	TLS     string // TLSOff or TLSAuto
	TLSCert string // PEM file of a certificate chain; TLSKey belongs to it
	TLSKey  string
	Domain  []string // login servers are NAME.DOMAIN

	RegistryName string // of the default registry

	TrustedProxy []netip.Prefix // peers whose X-Forwarded headers are believed

	AnonymousPull     bool
	AdminPassword     Secret // "": keep it, or generate one at the first start
	AdminPasswordFile string // a file that holds AdminPassword
	FederationFile    string // YAML; "": no issuer of tokens is trusted

	ManagedIdentity       string // application id; "": no managed-identity endpoint
	ManagedIdentitySecret Secret // of that endpoint

	Metadata Metadata // where the metadata is
	Blobs    Blobs    // where content is kept
	Redirect bool     // send clients to the store for large blobs, where it has URLs

	SparseManifests bool // accept manifests whose blobs are not there

	KeepDeleted time.Duration // in which what was deleted can be restored; 0: not at all

	UntaggedRetention time.Duration // after which a manifest goes that nothing keeps; 0: never

	SmallBlobSize int64 // bytes; blobs up to this size are kept in the metadata database

	LogLevel  slog.Level
	LogFormat string // LogText or LogJSON
	AccessLog bool   // one line for each request

	ReadHeaderTimeout time.Duration // from the first byte of a request to the end of its header
	IdleTimeout       time.Duration // keep-alive connection without a request
	TransferTimeout   time.Duration // transfer without progress
	ShutdownTimeout   time.Duration // for transfers to end at a graceful stop
	MaxHeaderSize     int64         // bytes

	RateLimitRead, RateLimitWrite, RateLimitDelete, RateLimitOAuth RateLimit
}

// Default returns the configuration of a server that was told nothing.
func Default() Config {
	return Config{
		Listen:            []string{"127.0.0.1:5000"},
		Data:              "./orlop-data",
		RegistryName:      "myregistry",
		TLS:               TLSOff,
		Redirect:          true,
		KeepDeleted:       7 * 24 * time.Hour,
		SmallBlobSize:     32 << 10,
		LogFormat:         LogText,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		TransferTimeout:   time.Minute,
		ShutdownTimeout:   30 * time.Second,
		MaxHeaderSize:     64 << 10,
	}
}

// ServesTLS tells whether connections are encrypted.
func (c *Config) ServesTLS() bool { return c.TLS == TLSAuto || c.TLSCert != "" }

// Validate tells everything that is wrong with the configuration, each with
// the name of the setting; nil if nothing is.
func (c *Config) Validate() error {
	return errors.Join(c.validateListen(), c.validateMetrics(), c.validateTLS(), c.validateDomain(), c.validateManagedIdentity(), c.validateLimits())
}

func (c *Config) validateListen() error {
	if len(c.Listen) == 0 {
		return errors.New("listen: at least one address is needed")
	}
	var errs []error
	for _, addr := range c.Listen {
		host, port, err := net.SplitHostPort(addr)
		_, portErr := strconv.ParseUint(port, 10, 16)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("listen: %q is not HOST:PORT", addr))
		case portErr != nil:
			errs = append(errs, fmt.Errorf("listen: the port of %q is not a number from 0 to 65535", addr))
		case !c.ServesTLS() && !c.InsecureHTTP && !IsLoopback(host):
			errs = append(errs, fmt.Errorf("listen: %q is reachable from other machines and TLS is off: "+
				"passwords would cross the network in the clear; set tls to auto, or tls-cert and tls-key, "+
				"or insecure-http behind a proxy that encrypts", addr))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateMetrics() error {
	if c.MetricsListen == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(c.MetricsListen)
	if err != nil {
		return fmt.Errorf("metrics-listen: %q is not HOST:PORT", c.MetricsListen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("metrics-listen: the port of %q is not a number from 0 to 65535", c.MetricsListen)
	}
	if !c.MetricsOpen && !IsLoopback(host) {
		return fmt.Errorf("metrics-listen: %q is reachable from other machines, and nobody has to sign in there; "+
			"use a loopback address, or set metrics-open if others may see the figures", c.MetricsListen)
	}
	return nil
}

// IsLoopback tells whether a host, a name or an address, is this machine only.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func (c *Config) validateTLS() error {
	switch {
	case c.TLS != TLSOff && c.TLS != TLSAuto:
		return fmt.Errorf("tls: %q is neither off nor auto", c.TLS)
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("tls-cert and tls-key: one needs the other")
	case c.TLSCert == "":
		return nil
	case c.TLS == TLSAuto:
		return errors.New("tls: auto makes its own certificates; leave tls-cert and tls-key out, or tls")
	}
	if _, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey); err != nil {
		return fmt.Errorf("tls-cert: %w", err)
	}
	return nil
}

// domainName is a host name of at least one label (RFC 1123), lower case.
var domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// registryName is what the clients of Azure take, in lower case as hosts are.
var registryName = regexp.MustCompile(`^[a-z0-9]{5,50}$`)

func (c *Config) validateDomain() error {
	if !registryName.MatchString(c.RegistryName) {
		return fmt.Errorf("registry-name: %q has not 5 to 50 lower-case letters and digits", c.RegistryName)
	}
	for _, d := range c.Domain {
		if len(d) > 200 || !domainName.MatchString(d) {
			return fmt.Errorf("domain: %q is not a domain name in lower case", d)
		}
	}
	return nil
}

// minSecret is the shortest ManagedIdentitySecret, in bytes.
const minSecret = 16

func (c *Config) validateManagedIdentity() error {
	switch {
	case (c.ManagedIdentity == "") != (c.ManagedIdentitySecret == ""):
		return errors.New("managed-identity and managed-identity-secret: one needs the other")
	case c.ManagedIdentitySecret != "" && len(c.ManagedIdentitySecret) < minSecret:
		return fmt.Errorf("managed-identity-secret: must have at least %d bytes", minSecret)
	}
	return nil
}

// minRetention is the shortest UntaggedRetention: who pushes or pulls by digest
// must have time to go on.
const minRetention = 24 * time.Hour

func (c *Config) validateLimits() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Data != "", "data: a directory is needed")
	check(c.LogFormat == LogText || c.LogFormat == LogJSON, "log-format: %q is neither text nor json", c.LogFormat)
	check(c.SmallBlobSize >= 0 && c.SmallBlobSize <= MaxSmallBlobSize, "small-blob-size: must be from 0 to 1MiB")
	check(c.KeepDeleted >= 0, "keep-deleted: must not be negative")
	check(c.UntaggedRetention == 0 || c.UntaggedRetention >= minRetention, "untagged-retention: must be 0s, or 24h or more")
	check(c.MaxHeaderSize >= 4<<10 && c.MaxHeaderSize <= 1<<20, "max-header-size: must be from 4KiB to 1MiB")
	check(c.ReadHeaderTimeout > 0, "read-header-timeout: must be more than 0")
	check(c.IdleTimeout > 0, "idle-timeout: must be more than 0")
	check(c.TransferTimeout >= time.Second, "transfer-timeout: must be at least 1s")
	check(c.ShutdownTimeout >= 0, "shutdown-timeout: must not be negative")
	return errors.Join(errs...)
}

// readAdminPassword takes the password from its file.
func (c *Config) readAdminPassword() error {
	if c.AdminPasswordFile == "" {
		return nil
	}
	if c.AdminPassword != "" {
		return errors.New("admin-password-file: ORLOPD_ADMIN_PASSWORD is set too; use one of them")
	}
	raw, err := os.ReadFile(c.AdminPasswordFile)
	if err != nil {
		return fmt.Errorf("admin-password-file: %w", err)
	}
	c.AdminPassword = Secret(strings.TrimRight(string(raw), "\r\n"))
	if c.AdminPassword == "" {
		return fmt.Errorf("admin-password-file: %s is empty", c.AdminPasswordFile)
	}
	return nil
}
