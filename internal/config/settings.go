package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Setting is one row of the table of settings.
type Setting struct {
	Name  string // as flag and YAML key; in the environment ORLOPD_ and this, in capitals with underscores
	Group string // heading under which it is documented
	Usage string // one sentence for the help
	Value string // what stands for the value in the help: "ADDR"; "" for a switch

	EnvOnly bool // no flag and no YAML key: other users of the machine can read arguments
	List    bool // may be given several times

	set func(*Config, []string) error // replaces the value; one text unless List
	get func(*Config) []string        // the value as set takes it; nil if there is none
}

// Env returns the name of the environment variable.
func (s *Setting) Env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// IsSwitch tells whether the setting is true or false.
func (s *Setting) IsSwitch() bool { return s.Value == "" }

// Default returns the value of a server that was told nothing; "" if none.
func (s *Setting) Default() string {
	c := Default()
	return strings.Join(s.get(&c), ",")
}

// Settings returns the table of all settings, in the order of the
// documentation.
func Settings() []Setting {
	return []Setting{
		list("listen", "Network", "ADDR", "address to listen on, HOST:PORT; may be repeated", func(c *Config) *[]string { return &c.Listen }),
		toggle("insecure-http", "Network", "allow plain HTTP on addresses that other machines reach", func(c *Config) *bool { return &c.InsecureHTTP }),
		list("domain", "Network", "NAME", "domain whose names are login servers, REGISTRY.NAME; may be repeated", func(c *Config) *[]string { return &c.Domain }),
		text("registry-name", "Network", "NAME", "name of the default registry, which is at NAME.DOMAIN and at every host outside the domains", func(c *Config) *string { return &c.RegistryName }),
		prefixes("trusted-proxy", "Network", "address or network, such as 10.0.0.0/8, whose X-Forwarded headers are believed; may be repeated", func(c *Config) *[]netip.Prefix { return &c.TrustedProxy }),
		text("metrics-listen", "Network", "ADDR", "address of a listener of its own for Prometheus, HOST:PORT; figures are at /metrics, for everybody who can connect", func(c *Config) *string { return &c.MetricsListen }),
		toggle("metrics-open", "Network", "allow metrics-listen on addresses that other machines reach", func(c *Config) *bool { return &c.MetricsOpen }),
		text("tls", "TLS", "MODE", "off, or auto: make a local authority and certificates", func(c *Config) *string { return &c.TLS }),
		text("tls-cert", "TLS", "FILE", "certificate chain, PEM; needs tls-key", func(c *Config) *string { return &c.TLSCert }),
		text("tls-key", "TLS", "FILE", "private key of tls-cert, PEM", func(c *Config) *string { return &c.TLSKey }),
		text("data", "Storage", "DIR", "directory for everything the registry keeps", func(c *Config) *string { return &c.Data }),
		metadata("metadata", "Storage", "where the metadata is kept: postgres://USER@HOST/DATABASE, which several nodes can share; a file in the data directory if not given", func(c *Config) *Metadata { return &c.Metadata }),
		blobs("blobs", "Storage", "where blobs are kept: file:DIR, s3://BUCKET/PREFIX or azblob://ACCOUNT/CONTAINER; files in the data directory if not given", func(c *Config) *Blobs { return &c.Blobs }),
		toggle("redirect", "Storage", "send clients to the store for large blobs, where they are not in files", func(c *Config) *bool { return &c.Redirect }),
		size("small-blob-size", "Storage", "blobs up to this size are kept in the metadata database", func(c *Config) *int64 { return &c.SmallBlobSize }),
		duration("keep-deleted", "Storage", "time in which what was deleted can be restored; 0s deletes for good", func(c *Config) *time.Duration { return &c.KeepDeleted }),
		duration("untagged-retention", "Storage", "time after which a manifest is deleted that no tag, index or subject keeps, 24h or more; 0s keeps all", func(c *Config) *time.Duration { return &c.UntaggedRetention }),
		toggle("sparse-manifests", "Storage", "accept manifests that name blobs which are not in the repository", func(c *Config) *bool { return &c.SparseManifests }),
		secretFromEnv("admin-password", "Access", "password of the user admin; generated at the first start if none is given", func(c *Config) *Secret { return &c.AdminPassword }),
		text("admin-password-file", "Access", "FILE", "file that holds the password of the user admin", func(c *Config) *string { return &c.AdminPasswordFile }),
		text("managed-identity", "Access", "APPID", "application id of the service principal that programs on this machine get tokens of at /msi/token", func(c *Config) *string { return &c.ManagedIdentity }),
		secretFromEnv("managed-identity-secret", "Access", "secret that programs show at /msi/token", func(c *Config) *Secret { return &c.ManagedIdentitySecret }),
		text("federation-file", "Access", "FILE", "YAML file of the issuers whose tokens are trusted, and of rules for them", func(c *Config) *string { return &c.FederationFile }),
		toggle("anonymous-pull", "Access", "let everybody pull without signing in", func(c *Config) *bool { return &c.AnonymousPull }),
		logLevel("log-level", "Logging", "debug, info, warn or error", func(c *Config) *slog.Level { return &c.LogLevel }),
		text("log-format", "Logging", "FORMAT", "text or json", func(c *Config) *string { return &c.LogFormat }),
		toggle("access-log", "Logging", "log every request, not only failures", func(c *Config) *bool { return &c.AccessLog }),
		duration("read-header-timeout", "Limits", "time for the header of a request to arrive", func(c *Config) *time.Duration { return &c.ReadHeaderTimeout }),
		duration("idle-timeout", "Limits", "time after which a connection without a request is closed", func(c *Config) *time.Duration { return &c.IdleTimeout }),
		duration("transfer-timeout", "Limits", "time after which a transfer that makes no progress is cut", func(c *Config) *time.Duration { return &c.TransferTimeout }),
		duration("shutdown-timeout", "Limits", "time that transfers have to end when the server stops", func(c *Config) *time.Duration { return &c.ShutdownTimeout }),
		size("max-header-size", "Limits", "largest header of a request", func(c *Config) *int64 { return &c.MaxHeaderSize }),
		rateLimit("rate-limit-read", "GET and HEAD", func(c *Config) *RateLimit { return &c.RateLimitRead }),
		rateLimit("rate-limit-write", "POST, PUT and PATCH", func(c *Config) *RateLimit { return &c.RateLimitWrite }),
		rateLimit("rate-limit-delete", "DELETE", func(c *Config) *RateLimit { return &c.RateLimitDelete }),
		rateLimit("rate-limit-oauth", "tokens", func(c *Config) *RateLimit { return &c.RateLimitOAuth }),
	}
}

func text(name, group, value, usage string, field func(*Config) *string) Setting {
	return Setting{
		Name: name, Group: group, Usage: usage, Value: value,
		set: func(c *Config, v []string) error { *field(c) = v[0]; return nil },
		get: func(c *Config) []string { return nonEmpty(*field(c)) },
	}
}

func list(name, group, value, usage string, field func(*Config) *[]string) Setting {
	return Setting{
		Name: name, Group: group, Usage: usage, Value: value, List: true,
		set: func(c *Config, v []string) error { *field(c) = v; return nil },
		get: func(c *Config) []string { return *field(c) },
	}
}

func prefixes(name, group, usage string, field func(*Config) *[]netip.Prefix) Setting {
	return Setting{
		Name: name, Group: group, Usage: usage, Value: "NETWORK", List: true,
		set: func(c *Config, v []string) error {
			networks := make([]netip.Prefix, len(v))
			for i, text := range v {
				var err error
				if networks[i], err = parsePrefix(text); err != nil {
					return err
				}
			}
			*field(c) = networks
			return nil
		},
		get: func(c *Config) []string {
			var texts []string
			for _, n := range *field(c) {
				texts = append(texts, n.String())
			}
			return texts
		},
	}
}

func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	network, err := netip.ParsePrefix(s)
	if err != nil {
		return network, fmt.Errorf("%q is neither an address nor a network", s)
	}
	return network.Masked(), nil
}

func toggle(name, group, usage string, field func(*Config) *bool) Setting {
	return Setting{
		Name: name, Group: group, Usage: usage,
		set: func(c *Config, v []string) (err error) {
			if *field(c), err = strconv.ParseBool(v[0]); err != nil {
				return fmt.Errorf("%q is neither true nor false", v[0])
			}
			return nil
		},
		get: func(c *Config) []string { return []string{strconv.FormatBool(*field(c))} },
	}
}

func duration(name, group, usage string, field func(*Config) *time.Duration) Setting {
	return Setting{
		Name: name, Group: group, Usage: usage, Value: "DURATION",
		set: func(c *Config, v []string) (err error) {
			if *field(c), err = time.ParseDuration(v[0]); err != nil {
				return fmt.Errorf("%q is not a duration such as 30s or 2m", v[0])
			}
			return nil
		},
		get: func(c *Config) []string { return []string{field(c).String()} },
	}
}

// rateLimit is a setting of requests a minute: REGISTRY, or REGISTRY/IDENTITY.
func rateLimit(name, what string, field func(*Config) *RateLimit) Setting {
	return Setting{
		Name: name, Group: "Limits", Value: "N[/M]",
		Usage: "requests a minute (" + what + ") for a registry, and for each identity: 10000/5000; no limit if none is given",
		set:   func(c *Config, v []string) (err error) { *field(c), err = parseRateLimit(v[0]); return err },
		get:   func(c *Config) []string { return nonEmpty(field(c).String()) },
	}
}

func size(name, group, usage string, field func(*Config) *int64) Setting {
	return Setting{
		Name: name, Group: group, Usage: usage, Value: "SIZE",
		set: func(c *Config, v []string) (err error) { *field(c), err = parseSize(v[0]); return err },
		get: func(c *Config) []string { return []string{formatSize(*field(c))} },
	}
}

func logLevel(name, group, usage string, field func(*Config) *slog.Level) Setting {
	return Setting{
		Name: name, Group: group, Usage: usage, Value: "LEVEL",
		set: func(c *Config, v []string) error {
			if err := field(c).UnmarshalText([]byte(v[0])); err != nil {
				return fmt.Errorf("%q is not debug, info, warn or error", v[0])
			}
			return nil
		},
		get: func(c *Config) []string { return []string{strings.ToLower(field(c).String())} },
	}
}

func secretFromEnv(name, group, usage string, field func(*Config) *Secret) Setting {
	return Setting{
		Name: name, Group: group, Usage: usage, Value: "TEXT", EnvOnly: true,
		set: func(c *Config, v []string) error { *field(c) = Secret(v[0]); return nil },
		get: func(c *Config) []string {
			if *field(c) == "" {
				return nil
			}
			return []string{hidden}
		},
	}
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// units of sizes, largest first.
var units = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

var errSize = errors.New("is not a size such as 32KiB or 4096")

func parseSize(s string) (int64, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.bytes {
			break
		}
		return n * u.bytes, nil
	}
	return 0, fmt.Errorf("%q %w", s, errSize)
}

func formatSize(n int64) string {
	for _, u := range units {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}
