package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

// remoteOptions say how to reach a registry and who asks.
type remoteOptions struct {
	prefix string // of the flags' names, such as "from-"; set before addFlags

	username, password                string
	passwordStdin, identityTokenStdin bool
	identityToken                     string
	insecure, plainHTTP               bool
	caFile, certFile, keyFile         string
	resolve, registryConfig, headers  []string

	referrersTag remote.TagMode // set by distributionOptions
	anyCert      bool           // --allow-insecure of 2020: as --insecure, also where HTTP is the default

	flags *pflag.FlagSet // to tell --plain-http=false from nothing
}

func (o *remoteOptions) addFlags(fs *pflag.FlagSet) {
	o.flags = fs
	fs.StringVarP(&o.username, o.name("username"), o.short("u"), "", "user name at the registry")
	fs.StringVarP(&o.password, o.name("password"), o.short("p"), "", "password or identity token; others can see it, prefer --password-stdin")
	fs.StringVar(&o.identityToken, o.name("identity-token"), "", "identity token; others can see it, prefer --identity-token-stdin")
	fs.BoolVar(&o.insecure, o.name("insecure"), false, "accept any TLS certificate")
	fs.BoolVar(&o.plainHTTP, o.name("plain-http"), false, "use HTTP without TLS (the default for localhost and loopback addresses)")
	fs.StringVar(&o.caFile, o.name("ca-file"), "", "`FILE` of the certificate authority of the registry (PEM)")
	fs.StringVar(&o.certFile, o.name("cert-file"), "", "client certificate `FILE` (PEM)")
	fs.StringVar(&o.keyFile, o.name("key-file"), "", "client key `FILE` (PEM)")
	fs.StringArrayVar(&o.resolve, o.name("resolve"), nil, "use an address for a name: `host:port:address[:address_port]`")
	fs.StringArrayVarP(&o.registryConfig, o.name("registry-config"), o.short("c"), nil, "`FILE` with credentials (default that of Docker)")
	fs.StringArrayVarP(&o.headers, o.name("header"), o.short("H"), nil, "send a header: `\"NAME: VALUE\"`")
	if o.prefix == "" {
		fs.BoolVar(&o.passwordStdin, "password-stdin", false, "read the password from standard input")
		fs.BoolVar(&o.identityTokenStdin, "identity-token-stdin", false, "read the identity token from standard input")
	}
}

func (o *remoteOptions) name(flag string) string { return o.prefix + flag }

// short leaves the short form of a flag out where there is a prefix.
func (o *remoteOptions) short(flag string) string {
	if o.prefix != "" {
		return ""
	}
	return flag
}

func (o *remoteOptions) validate() error {
	given := o.flags.Changed
	exclusive := [][2]string{
		{"username", "identity-token"}, {"username", "identity-token-stdin"},
		{"password", "identity-token"}, {"password", "identity-token-stdin"},
		{"password-stdin", "identity-token"}, {"password-stdin", "identity-token-stdin"},
		{"password", "password-stdin"}, {"identity-token", "identity-token-stdin"},
	}
	for _, pair := range exclusive {
		if a, b := o.name(pair[0]), o.name(pair[1]); given(a) && given(b) {
			return fmt.Errorf("--%s and --%s cannot be used together", a, b)
		}
	}
	if (o.certFile == "") != (o.keyFile == "") {
		return fmt.Errorf("--%s and --%s must be given together", o.name("cert-file"), o.name("key-file"))
	}
	if _, err := o.header(); err != nil {
		return err
	}
	_, err := o.addresses()
	return err
}

// header parses the values of --header.
func (o *remoteOptions) header() (http.Header, error) {
	h := http.Header{}
	for _, line := range o.headers {
		k, v, ok := strings.Cut(line, ":")
		if k = strings.TrimSpace(k); !ok || k == "" {
			return nil, errors.New(`invalid --header: want "NAME: VALUE"`) // the value may be secret
		}
		h.Add(k, strings.TrimSpace(v))
	}
	return h, nil
}

// addresses parses the values of --resolve into a map from host:port to
// address:port.
func (o *remoteOptions) addresses() (map[string]string, error) {
	m := map[string]string{}
	for _, s := range o.resolve {
		parts := strings.SplitN(s, ":", 3)
		if len(parts) < 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
			return nil, fmt.Errorf("invalid --resolve %q: want host:port:address[:address_port]", s)
		}
		addr := net.JoinHostPort(strings.Trim(parts[2], "[]"), parts[1])
		if net.ParseIP(strings.Trim(parts[2], "[]")) == nil {
			host, port, err := net.SplitHostPort(parts[2])
			if err != nil || net.ParseIP(host) == nil {
				return nil, fmt.Errorf("invalid --resolve %q: %q is no address", s, parts[2])
			}
			addr = net.JoinHostPort(host, port)
		}
		m[net.JoinHostPort(parts[0], parts[1])] = addr
	}
	return m, nil
}

// usePlainHTTP decides between HTTP and HTTPS. Without a flag it is HTTP for
// localhost and loopback addresses, whose traffic leaves the machine never,
// unless a TLS flag shows that TLS is meant.
func (o *remoteOptions) usePlainHTTP(host string) bool {
	if o.flags.Changed(o.name("plain-http")) {
		return o.plainHTTP
	}
	if o.caFile != "" || o.certFile != "" || o.insecure {
		return false
	}
	return isLoopback(host)
}

func isLoopback(host string) bool {
	name := hostname(host)
	if name == "localhost" {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

// hostname cuts the port off host[:port], and the brackets off an IPv6
// address.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

// registry opens the registry at host with the given or stored credentials.
func (o *remoteOptions) registry(env *Env, c *commonOptions, host string) (*remote.Registry, error) {
	cred, err := o.credentialFunc(env)
	if err != nil {
		return nil, err
	}
	return o.open(env, c, host, cred)
}

// open opens the registry at host with a credential.
func (o *remoteOptions) open(env *Env, c *commonOptions, host string, cred auth.CredentialFunc) (*remote.Registry, error) {
	transport, err := o.transport()
	if err != nil {
		return nil, err
	}
	header, err := o.header()
	if err != nil {
		return nil, err
	}
	warnings := output.NewPrinter(env.Stderr)
	return remote.New(host, remote.Options{
		PlainHTTP:    o.usePlainHTTP(host),
		Transport:    transport,
		Credential:   cred,
		UserAgent:    "orlop/" + env.Version,
		Header:       header,
		ReferrersTag: o.referrersTag,
		Warn:         func(text string) { warnings.Line("WARNING: from %s: %s", host, text) },
		Log:          c.logger(env),
	})
}

// transport makes the HTTP transport that the TLS flags and --resolve ask for.
func (o *remoteOptions) transport() (*http.Transport, error) {
	t := remote.NewTransport()
	config := &tls.Config{InsecureSkipVerify: o.insecure || o.anyCert}
	if o.caFile != "" {
		pem, err := os.ReadFile(o.caFile)
		if err != nil {
			return nil, fmt.Errorf("read certificate authority: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read certificate authority: no certificate in %s", o.caFile)
		}
	}
	if o.certFile != "" {
		cert, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
		if err != nil {
			return nil, fmt.Errorf("read client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{cert}
	}
	t.TLSClientConfig = config
	addresses, err := o.addresses()
	if err != nil || len(addresses) == 0 {
		return t, err
	}
	dial := t.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if to, ok := addresses[addr]; ok {
			addr = to
		}
		return dial(ctx, network, addr)
	}
	return t, nil
}
