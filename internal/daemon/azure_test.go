package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// azure starts a server with its own authority and runs azure-setup for it.
func azure(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	data, address := t.TempDir(), freeAddress(t)
	settings := []string{"--data", data, "--listen", address, "--tls", "auto", "--domain", "azurecr.localtest"}
	var asking sync.WaitGroup
	out := &until{text: "orlop push", then: func() { // it listens, and serves once this returns
		asking.Go(func() {
			code, stdout, stderr = run(t, ctx, nil, append(append([]string{"azure-setup"}, settings...), args...)...)
			cancel()
		})
	}}
	if code := Run(ctx, Env{Args: settings, Environ: []string{"ORLOPD_ADMIN_PASSWORD=s3cret"}, Stdout: out, Stderr: &bytes.Buffer{}}); code != exitOK {
		t.Fatalf("the server: exit code %d: %s", code, out)
	}
	asking.Wait()
	if strings.Contains(stdout, "s3cret") {
		t.Error("it prints a password")
	}
	return code, strings.NewReplacer(data, "DATA", address[strings.LastIndexByte(address, ':'):], ":PORT").Replace(stdout), stderr
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestAzureSetup(t *testing.T) {
	code, out, stderr := azure(t, "--format", "json")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var s azureSetup
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	if s.URL != "https://myregistry.azurecr.localtest:PORT" || s.Registry != "myregistry" || s.Suffix != ".azurecr.localtest:PORT" ||
		s.CAFile != filepath.Join("DATA", "tls", "ca.pem") || len(s.Tenant) != 36 || len(s.Subscription) != 36 {
		t.Errorf("%+v", s)
	}
	if s.HostEntry != "" && s.HostEntry != "127.0.0.1 myregistry.azurecr.localtest" {
		t.Error(s.HostEntry)
	}
	for _, line := range []string{
		"az cloud register --name orlop", "--endpoint-active-directory https://myregistry.azurecr.localtest:PORT/adfs",
		"--suffix-acr-login-server-endpoint .azurecr.localtest:PORT", "az cloud set --name orlop", "--tenant " + s.Tenant,
	} {
		if !strings.Contains(strings.Join(s.Bash, "\n"), line) || !strings.Contains(strings.Join(s.PowerShell, "\n"), line) {
			t.Errorf("no %q in\n%s", line, strings.Join(s.Bash, "\n"))
		}
	}
}

func TestAzureSetupForShells(t *testing.T) {
	for shell, want := range map[string]string{
		"bash": `export REQUESTS_CA_BUNDLE="$HOME/.azure/orlop-ca.pem"`, "powershell": `$env:REQUESTS_CA_BUNDLE = "$HOME\.azure\orlop-ca.pem"`,
	} {
		code, out, stderr := azure(t, "--shell", shell)
		if code != exitOK || !strings.Contains(out, want+"\n") {
			t.Errorf("%s: exit code %d: %s%s", shell, code, out, stderr)
		}
	}
}

func TestAzureSetupTellsWhatIsMissing(t *testing.T) {
	for want, args := range map[string][]string{
		"TLS is off":              nil,
		"is not https://":         {"--url", "http://myregistry.example"},
		"gives no registry name":  {"--url", "https://127.0.0.1:5443"},
		"5 to 50 letters":         {"--url", "https://a-b.example"},
		"certificate authority":   {"--tls", "auto", "--url", "https://myregistry.example"},
		"text or json":            {"--format", "xml"},
		"bash or powershell":      {"--shell", "fish"},
		"ask the server":          {"--url", "https://localhost:1"},
		"neither off nor auto":    {"--tls", "on"},
		`unknown command "twice"`: {"twice"},
	} {
		code, out, stderr := run(t, t.Context(), nil, append([]string{"azure-setup", "--data", t.TempDir()}, args...)...)
		if code != exitWrongUse || out != "" || !strings.Contains(stderr, want) || !strings.Contains(stderr, "hint: ") {
			t.Errorf("%v: exit code %d: %s", args, code, stderr)
		}
	}
}
