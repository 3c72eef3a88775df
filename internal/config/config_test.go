package config

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "orlopd.yaml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestNothingGivesTheDefaults(t *testing.T) {
	e, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), e.Config); diff != "" {
		t.Error(diff)
	}
}

func TestFlagsBeatEnvironmentBeatsFile(t *testing.T) {
	name := file(t, "data: from-file\nlisten: [127.0.0.1:1, 127.0.0.1:2]\nidle-timeout: 7s\nlog-level: debug\n")
	e, err := Load(Sources{
		File:  name,
		Env:   []string{"HOME=/", "ORLOPD_DATA=from-env", "ORLOPD_LISTEN=127.0.0.1:3, 127.0.0.1:4"},
		Flags: map[string][]string{"data": {"from-flag"}, "anonymous-pull": {"true"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Data = "from-flag"
	want.Listen = []string{"127.0.0.1:3", "127.0.0.1:4"}
	want.IdleTimeout = 7 * time.Second
	want.LogLevel = slog.LevelDebug
	want.AnonymousPull = true
	if diff := cmp.Diff(want, e.Config); diff != "" {
		t.Error(diff)
	}
	for setting, origin := range map[string]string{
		"data": "--data", "listen": "ORLOPD_LISTEN", "idle-timeout": name + ":3", "tls": "default",
	} {
		if got := e.origin(setting); got != origin {
			t.Errorf("origin of %s: %q, want %q", setting, got, origin)
		}
	}
}

func TestFileIsNamedByTheEnvironment(t *testing.T) {
	e, err := Load(Sources{Env: []string{"ORLOPD_CONFIG=" + file(t, "data: here\n")}})
	if err != nil || e.Config.Data != "here" {
		t.Errorf("data %q, %v", e.Config.Data, err)
	}
}

func TestEveryMistakeIsNamed(t *testing.T) {
	cases := []struct {
		name string
		src  Sources
		want []string
	}{
		{"unknown key", Sources{File: file(t, "data: x\nadress: 1\n")}, []string{"adress: no setting has this name", ":2"}},
		{"unknown variable", Sources{Env: []string{"ORLOPD_LISTEN_ADDR=x"}}, []string{"ORLOPD_LISTEN_ADDR: no setting"}},
		{"unknown flag", Sources{Flags: map[string][]string{"nonsense": {""}}}, []string{"nonsense: no setting"}},
		{"key twice", Sources{File: file(t, "data: x\ndata: y\n")}, []string{"data"}},
		{"not a mapping", Sources{File: file(t, "- a\n")}, []string{"expected keys and values"}},
		{"nested", Sources{File: file(t, "data:\n  dir: x\n")}, []string{"data: expected a value"}},
		{"null", Sources{File: file(t, "data:\n")}, []string{"data: expected a value"}},
		{"list for one", Sources{File: file(t, "data: [a, b]\n")}, []string{"data: takes one value"}},
		{"bad YAML", Sources{File: file(t, "data: [\n")}, []string{"configuration file"}},
		{"missing file", Sources{File: "/nonexistent/x.yaml"}, []string{"/nonexistent/x.yaml"}},
		{"password in the file", Sources{File: file(t, "admin-password: s3cret\n")}, []string{"ORLOPD_ADMIN_PASSWORD"}},
		{"bad values", Sources{File: file(t, "idle-timeout: 5\nsmall-blob-size: 3 KB\naccess-log: maybe\nlog-level: loud\n")},
			[]string{"idle-timeout", "small-blob-size", "access-log", "log-level"}},
		{"out of bounds", Sources{File: file(t, "small-blob-size: 2MiB\nkeep-deleted: -1s\nmax-header-size: 1\nlog-format: xml\ntransfer-timeout: 0s\n")},
			[]string{"small-blob-size", "keep-deleted", "max-header-size", "log-format", "transfer-timeout"}},
		{"open to the network", Sources{Flags: map[string][]string{"listen": {":5000"}}}, []string{`":5000"`, "insecure-http"}},
		{"figures open to the network", Sources{Flags: map[string][]string{"metrics-listen": {":9000"}}}, []string{`":9000"`, "metrics-open"}},
		{"figures nowhere", Sources{Flags: map[string][]string{"metrics-listen": {"localhost"}}}, []string{"metrics-listen", "HOST:PORT"}},
		{"a retention too short to work in", Sources{Flags: map[string][]string{"untagged-retention": {"1h"}}}, []string{"untagged-retention", "24h"}},
		{"no port", Sources{Flags: map[string][]string{"listen": {"localhost"}}}, []string{"HOST:PORT"}},
		{"no number", Sources{Flags: map[string][]string{"listen": {"127.0.0.1:", "127.0.0.1:1x", "127.0.0.1:65536", "127.0.0.1:-1", "localhost:http"}}},
			[]string{`"127.0.0.1:"`, `"127.0.0.1:1x"`, `"127.0.0.1:65536"`, `"127.0.0.1:-1"`, `"localhost:http"`}},
		{"half a certificate", Sources{Flags: map[string][]string{"tls-cert": {"x"}}}, []string{"tls-key"}},
		{"two kinds of TLS", Sources{Flags: map[string][]string{"tls": {"auto"}, "tls-cert": {"x"}, "tls-key": {"y"}}}, []string{"auto"}},
		{"tls word", Sources{Flags: map[string][]string{"tls": {"on"}}}, []string{`"on"`}},
		{"proxy", Sources{Flags: map[string][]string{"trusted-proxy": {"10.0.0.0/99"}}}, []string{"10.0.0.0/99"}},
		{"domain", Sources{Flags: map[string][]string{"domain": {"Upper.Case"}}}, []string{"Upper.Case"}},
		{"two passwords", Sources{Env: []string{"ORLOPD_ADMIN_PASSWORD=s3cret", "ORLOPD_ADMIN_PASSWORD_FILE=" + file(t, "other")}}, []string{"admin-password-file"}},
		{"empty password file", Sources{Env: []string{"ORLOPD_ADMIN_PASSWORD_FILE=" + file(t, "\n")}}, []string{"is empty"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(c.src)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the password is in: %v", err)
			}
		})
	}
}

func TestOpenToTheNetworkWithTLSOrConsent(t *testing.T) {
	for _, flags := range []map[string][]string{
		{"listen": {"0.0.0.0:5000"}, "tls": {"auto"}},
		{"listen": {"0.0.0.0:5000"}, "insecure-http": {"true"}},
		{"metrics-listen": {"0.0.0.0:9000"}, "metrics-open": {"true"}},
		{"listen": {"[::1]:5000", "localhost:5001", "127.1.2.3:5000"}},
	} {
		if _, err := Load(Sources{Flags: flags}); err != nil {
			t.Errorf("%v: %v", flags, err)
		}
	}
}

var comparePrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func TestPrintIsReadAgain(t *testing.T) {
	e, err := Load(Sources{
		Env:   []string{"ORLOPD_ADMIN_PASSWORD=s3cret", "ORLOPD_DATA=a b: #c\"\\'"},
		Flags: map[string][]string{"domain": {"a.test", "b.test"}, "trusted-proxy": {"10.1.2.3", "fd00::/8"}, "small-blob-size": {"4097"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := e.Print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "s3cret") {
		t.Errorf("the password is printed:\n%s", &out)
	}
	again, err := Load(Sources{File: file(t, out.String())})
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	again.Config.AdminPassword = e.Config.AdminPassword
	if diff := cmp.Diff(e.Config, again.Config, comparePrefix); diff != "" {
		t.Errorf("%s\n%s", diff, &out)
	}
}

func TestLogTellsWhatWasGiven(t *testing.T) {
	e, err := Load(Sources{Env: []string{"ORLOPD_ADMIN_PASSWORD=s3cret", "ORLOPD_DATA=here"}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("starting", "config", e)
	if line := log.String(); !strings.Contains(line, "config.data=here config.admin-password=(hidden)") || strings.Contains(line, "tls") {
		t.Error(line)
	}
}

func TestPasswordFile(t *testing.T) {
	e, err := Load(Sources{Flags: map[string][]string{"admin-password-file": {file(t, "s3cret\n")}}})
	if err != nil || string(e.Config.AdminPassword) != "s3cret" {
		t.Errorf("password %q, %v", string(e.Config.AdminPassword), err)
	}
}

func TestSecretNeverPrintsItself(t *testing.T) {
	c := Config{AdminPassword: "s3cret"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "password", c.AdminPassword)
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", c, c, c, c.AdminPassword, c.AdminPassword, c.AdminPassword), log.String()} {
		if strings.Contains(s, "s3cret") || strings.Contains(s, "733363726574") {
			t.Error(s)
		}
	}
}

// TestDocumented holds docs/configuration.md to the table of settings.
func TestDocumented(t *testing.T) {
	raw, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Settings() {
		name := "`" + s.Name + "`"
		if s.EnvOnly {
			name = "`" + s.Env() + "`"
		}
		row := fmt.Sprintf("| %s | %s | %s |", name, orDash(s.Default()), s.Usage)
		if !strings.Contains(string(raw), row) {
			t.Errorf("docs/configuration.md lacks the row\n%s", row)
		}
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return "`" + s + "`"
}

func FuzzParseFile(f *testing.F) {
	for _, s := range []string{"", "a: b", "a: [b, c]", "- x", "a: &x b\nc: *x", "a: {b: c}", "? [a]\n: b", "a: !!binary x", "---\n---\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		values, err := parseFile(raw)
		if err != nil && values != nil {
			t.Errorf("values beside %v", err)
		}
	})
}
