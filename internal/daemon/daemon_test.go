package daemon

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/config"
)

// run runs a command line with nothing in the environment but environ.
func run(t *testing.T, ctx context.Context, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Run(ctx, Env{Args: args, Environ: environ, Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

func TestEverySettingIsAFlag(t *testing.T) {
	code, help, _ := run(t, t.Context(), nil, "--help")
	if code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	for _, s := range config.Settings() {
		if got := strings.Contains(help, "--"+s.Name+" ") || strings.Contains(help, "--"+s.Name+"\n"); got == s.EnvOnly {
			t.Errorf("--%s in the help: %v\n%s", s.Name, got, help)
		}
	}
}

func TestConfigPrintTellsOrigins(t *testing.T) {
	code, out, stderr := run(t, t.Context(), []string{"ORLOPD_DATA=/srv/orlop", "ORLOPD_ADMIN_PASSWORD=s3cret"},
		"config", "print", "--listen", "127.0.0.1:1", "--listen", "127.0.0.1:2", "--anonymous-pull")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, line := range []string{
		`listen: ["127.0.0.1:1", "127.0.0.1:2"] # --listen`,
		`data: /srv/orlop # ORLOPD_DATA`,
		`anonymous-pull: true # --anonymous-pull`,
		`idle-timeout: 2m0s # default`,
		`# admin-password: (hidden), from ORLOPD_ADMIN_PASSWORD`,
	} {
		if !strings.Contains(out, line+"\n") {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
}

func TestWrongUseTellsEverythingAndWhatToDo(t *testing.T) {
	for _, args := range [][]string{{"--nonsense"}, {"nonsense"}, {"serve", "x"}, {"config", "check", "--tls", "on", "--log-format", "xml"}} {
		code, _, stderr := run(t, t.Context(), nil, args...)
		if code != exitWrongUse || !strings.Contains(stderr, "orlopd: error: ") || !strings.Contains(stderr, "orlopd: hint: ") {
			t.Errorf("%v: exit code %d: %s", args, code, stderr)
		}
	}
	_, _, stderr := run(t, t.Context(), []string{"ORLOPD_TSL=auto"}, "config", "check", "--tls", "on", "--log-format", "xml")
	if !strings.Contains(stderr, "ORLOPD_TSL") {
		t.Errorf("stderr: %s", stderr)
	}
}

func TestServesUntilTold(t *testing.T) {
	for _, args := range [][]string{nil, {"serve"}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		out := &until{text: "orlop push", then: cancel}
		code := Run(ctx, Env{
			Args:    append(args, "--data", t.TempDir(), "--listen", "127.0.0.1:0"),
			Environ: []string{"ORLOPD_ADMIN_PASSWORD=s3cret"}, Stdout: out, Stderr: &bytes.Buffer{},
		})
		cancel()
		if code != exitOK || !strings.Contains(out.String(), "Orlop serves http://127.0.0.1:") || strings.Contains(out.String(), "s3cret") {
			t.Errorf("%v: exit code %d: %s", args, code, out)
		}
	}
}

// until calls then when text has been written.
type until struct {
	buf  bytes.Buffer
	text string
	then func()
}

func (u *until) String() string { return u.buf.String() }

// Write implements io.Writer.
func (u *until) Write(p []byte) (int, error) {
	n, err := u.buf.Write(p)
	if strings.Contains(u.String(), u.text) {
		u.then()
	}
	return n, err
}
