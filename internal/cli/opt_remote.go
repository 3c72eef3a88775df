package cli

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/orlop/orlop/remote"
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
	maxRetryAfter                     time.Duration
	retries                           int

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
	fs.DurationVar(&o.maxRetryAfter, o.name("max-retry-after"), time.Minute, "wait at most `DURATION` when the registry asks to come back later")
	fs.IntVar(&o.retries, o.name("retries"), 4, "try a request again `N` times that failed for a passing reason")
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
	if o.maxRetryAfter < 0 || o.retries < 0 {
		return fmt.Errorf("--%s and --%s cannot be negative", o.name("max-retry-after"), o.name("retries"))
	}
	if _, err := o.header(); err != nil {
		return err
	}
	_, err := o.addresses()
	return err
}

// retry returns the options of trying again that the flags ask for.
func (o *remoteOptions) retry(conn connection) remote.RetryOptions {
	again := o.retries
	if conn.mirror {
		again = min(again, 1)
	}
	return remote.RetryOptions{
		Attempts:      again + 1,
		MaxRetryAfter: max(o.maxRetryAfter, 1), // 0 would be the default
	}
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
// address:port. The keys are in lower case.
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
		m[strings.ToLower(net.JoinHostPort(parts[0], parts[1]))] = addr
	}
	return m, nil
}

func isLoopback(host string) bool {
	name := hostname(host)
	if strings.EqualFold(name, "localhost") {
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
