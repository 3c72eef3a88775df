package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/armapi"
	"github.com/orlop/orlop/internal/config"
)

// azureSetup is what the Azure CLI must be told of a server.
type azureSetup struct {
	Cloud        string `json:"cloud"` // name under which az will know it
	URL          string `json:"url"`
	Registry     string `json:"registry"`
	LoginServer  string `json:"loginServer"`
	Suffix       string `json:"suffix"` // of login servers, after the name
	Tenant       string `json:"tenant"`
	Subscription string `json:"subscription"`
	CAFile       string `json:"caFile,omitempty"`    // "": machines trust the certificate already
	HostEntry    string `json:"hostEntry,omitempty"` // line that the file of hosts lacks

	Bash       []string `json:"bash"`
	PowerShell []string `json:"powershell"`
}

const azureLong = `Print the lines that make the Azure CLI work with a running server.

Give it the settings that the server has (--config, --data, --tls, --domain, or
the environment). The name of the registry, which "az acr --name" takes, is the
first label of the URL's host; it must have 5 to 50 letters and digits.`

func newAzureSetup(env *Env) *cobra.Command {
	var address, format string
	cmd := &cobra.Command{
		Use:   "azure-setup",
		Short: "Print the lines that make the Azure CLI work with a running server",
		Long:  azureLong,
		Example: `  orlopd azure-setup --tls auto
  orlopd azure-setup --tls auto --url https://myregistry.azurecr.localtest:5443
  orlopd azure-setup --tls auto --shell powershell
  orlopd azure-setup --tls auto --format json`,
		Args: noArgs,
	}
	shell := cmd.Flags().String("shell", "bash", "bash or powershell")
	cmd.Flags().StringVar(&address, "url", "", "`URL` of the server, as clients reach it; by default its first address")
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if format != "text" && format != "json" || *shell != "bash" && *shell != "powershell" {
			return &useError{errors.New("--format is text or json, --shell is bash or powershell"), helpHint(cmd)}
		}
		effective, err := load(cmd, env)
		if err != nil {
			return err
		}
		setup, err := newSetup(cmd.Context(), &effective.Config, address)
		if err != nil {
			return err
		}
		return setup.print(env.Stdout, format, *shell)
	}
	return cmd
}

func (s *azureSetup) print(w io.Writer, format, shell string) error {
	lines := s.Bash
	switch {
	case format == "json":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(s)
	case shell == "powershell":
		lines = s.PowerShell
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// newSetup finds everything out, for which the server must run.
func newSetup(ctx context.Context, cfg *config.Config, address string) (*azureSetup, error) {
	u, err := azureURL(cfg, address)
	if err != nil {
		return nil, err
	}
	host := strings.ToLower(u.Host)
	s := &azureSetup{Cloud: "orlop", URL: "https://" + host, LoginServer: host, Registry: armapi.RegistryName(host)}
	var named bool
	if s.Suffix, named = strings.CutPrefix(host, s.Registry); !named || s.Suffix == "" {
		return nil, &useError{
			fmt.Errorf("the host %q gives no registry name: its first label must have 5 to 50 letters and digits", u.Hostname()),
			"give --url https://myregistry.DOMAIN:PORT, a name that leads to the server, and start it with --domain DOMAIN",
		}
	}
	if cfg.TLS == config.TLSAuto {
		if s.CAFile, err = filepath.Abs(filepath.Join(cfg.Data, "tls", "ca.pem")); err != nil {
			return nil, err
		}
	}
	if _, err := net.DefaultResolver.LookupHost(ctx, u.Hostname()); err != nil {
		s.HostEntry = "127.0.0.1 " + u.Hostname()
	}
	if s.Tenant, err = s.askTenant(ctx, dialAddress(cfg)); err != nil {
		return nil, err
	}
	s.Subscription = armapi.SubscriptionID(s.Tenant)
	s.Bash, s.PowerShell = s.script(bash), s.script(powerShell)
	return s, nil
}

// azureURL is the URL of the server: the one given, or made of the settings.
func azureURL(cfg *config.Config, address string) (*url.URL, error) {
	if address == "" {
		if !cfg.ServesTLS() {
			return nil, &useError{errors.New("the Azure CLI speaks HTTPS only, and TLS is off"),
				"start the server with --tls auto and give --tls auto here too; or give --url https://… if a proxy encrypts"}
		}
		address = "https://" + defaultHost(cfg)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil {
		return nil, &useError{fmt.Errorf("--url %q is not https://HOST[:PORT]", address), "give the address that clients use, such as https://myregistry.azurecr.localtest:5443"}
	}
	return u, nil
}

// defaultHost is a login server of the first domain, or the first address.
func defaultHost(cfg *config.Config) string {
	host, port, _ := net.SplitHostPort(cfg.Listen[0]) // validated
	switch addr, err := netip.ParseAddr(host); {
	case len(cfg.Domain) > 0:
		host = cfg.RegistryName + "." + cfg.Domain[0]
	case host == "", err == nil && (addr.IsLoopback() || addr.IsUnspecified()):
		host = "localhost"
	}
	if port == "443" {
		return host
	}
	return net.JoinHostPort(host, port)
}

// dialAddress is where the server listens, as seen from this machine.
func dialAddress(cfg *config.Config) string {
	host, port, _ := net.SplitHostPort(cfg.Listen[0]) // validated
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// askTimeout is how long the server may take to tell its tenant.
const askTimeout = 10 * time.Second

// askTenant asks the server for its tenant. Where its name is not known yet,
// its listening address is.
func (s *azureSetup) askTenant(ctx context.Context, dial string) (string, error) {
	roots, err := s.roots()
	if err != nil {
		return "", err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	if s.HostEntry != "" {
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, dial)
		}
	}
	defer transport.CloseIdleConnections()
	tenant, err := armapi.AskTenant(ctx, &http.Client{Transport: transport, Timeout: askTimeout}, s.URL)
	if err != nil {
		return "", &useError{fmt.Errorf("ask the server for its tenant: %w", err), "start the server first, and give the same --data, --tls and --listen here"}
	}
	return tenant, nil
}

// roots are the authorities of this machine and the server's own.
func (s *azureSetup) roots() (*x509.CertPool, error) {
	if s.CAFile == "" {
		return nil, nil // those of the machine
	}
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		return nil, &useError{fmt.Errorf("the server's certificate authority: %w", err), "start the server once, and give the same --data here"}
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(pem)
	return pool, nil
}
