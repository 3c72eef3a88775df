package test

import (
	"bytes"
	"context"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/testenv"
)

var shownPassword = regexp.MustCompile(`(?m)^    (\S{40,})$`)

// firstStart starts orlopd with no password given and returns what it shows.
func firstStart(t *testing.T, data string) (*testenv.Process, string) {
	t.Helper()
	p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data, NoPassword: true})
	return p, p.Output()
}

func TestFirstStartGeneratesAPasswordAndShowsItOnce(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	p, shown := firstStart(t, one)
	password := shownPassword.FindStringSubmatch(shown)
	if password == nil {
		t.Fatalf("no password was shown:\n%s", shown)
	}
	if resp, _ := p.DoAs(t, "admin", password[1], http.MethodGet, "/v2/", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("sign in with it: %s", resp.Status)
	}
	for _, want := range []string{"orlop login " + p.Address + " --username admin", "orlop push " + p.Address + "/samples/artifact:1.0"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q was not shown:\n%s", want, shown)
		}
	}
	p.Stop()
	p, shown = firstStart(t, one)
	if shownPassword.MatchString(shown) {
		t.Errorf("a password was shown again:\n%s", shown)
	}
	if resp, _ := p.DoAs(t, "admin", password[1], http.MethodGet, "/v2/", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("sign in after a restart: %s", resp.Status)
	}
	_, shown = firstStart(t, two)
	if other := shownPassword.FindStringSubmatch(shown); other == nil || other[1] == password[1] {
		t.Errorf("a second registry has the same password, or none:\n%s", shown)
	}
}

// TestFirstPasswordIsNotLostWhenTheAddressIsInUse: the first start fails, and the
// next must still have a password to show.
func TestFirstPasswordIsNotLostWhenTheAddressIsInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	data := t.TempDir()
	code, out := runOrlopd(t, "--data", data, "--listen", taken.Addr().String())
	if code != 1 {
		t.Errorf("exit code %d: %s", code, out)
	}
	if _, shown := firstStart(t, data); !shownPassword.MatchString(shown) {
		t.Errorf("no password was shown:\n%s", shown)
	}
}

func TestPasswordFromTheEnvironmentReplacesTheOneInForce(t *testing.T) {
	data := t.TempDir()
	testenv.StartProcess(t, testenv.ProcessOptions{Data: data}).Stop()
	p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data, Env: []string{"ORLOPD_ADMIN_PASSWORD=another-password"}})
	for password, want := range map[string]int{"another-password": http.StatusOK, testenv.AdminPassword: http.StatusUnauthorized} {
		if resp, _ := p.DoAs(t, "admin", password, http.MethodGet, "/v2/", nil); resp.StatusCode != want {
			t.Errorf("%s: %s", password, resp.Status)
		}
	}
}

func TestDataIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	data := filepath.Join(t.TempDir(), "new", "data")
	p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data, Args: []string{"--tls", "auto"}})
	p.PushArtifact(t, "private/files", "1.0", random(1, 3<<20))
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		public := filepath.Base(path) == "ca.pem" // meant to be given away
		if info.Mode().Perm()&0o077 != 0 && !public {
			t.Errorf("%s: mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTwoServersDoNotShareData(t *testing.T) {
	data := t.TempDir()
	p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data})
	code, out := runOrlopd(t, "--data", data, "--listen", "127.0.0.1:0")
	if code != 1 || !strings.Contains(out, "another orlopd") {
		t.Errorf("exit code %d: %s", code, out)
	}
	p.Kill()
	testenv.StartProcess(t, testenv.ProcessOptions{Data: data}) // the lock went with the process
}

func TestOpenToTheNetworkOnlyWhenTold(t *testing.T) {
	code, out := runOrlopd(t, "--data", t.TempDir(), "--listen", "0.0.0.0:0")
	if code != 2 || !strings.Contains(out, "insecure-http") {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, flags := range [][]string{{"--insecure-http"}, {"--tls", "auto"}} {
		p := testenv.StartProcess(t, testenv.ProcessOptions{Args: append(flags, "--listen", "0.0.0.0:0")})
		if resp, _ := p.Do(t, http.MethodGet, "/v2/", nil); resp.StatusCode != http.StatusOK {
			t.Errorf("%v: %s", flags, resp.Status)
		}
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{{"--nonsense"}, {"nonsense"}, {"serve", "more"}, {"--tls", "perhaps"}, {"--config", "/nonexistent.yaml"}, {"config", "check", "--listen", "x"}} {
		if code, out := runOrlopd(t, args...); code != 2 || !strings.HasPrefix(out, "orlopd: error: ") {
			t.Errorf("%v: exit code %d: %s", args, code, out)
		}
	}
	for _, args := range [][]string{{"config", "check"}, {"config", "print"}, {"version"}, {"--help"}} {
		if code, out := runOrlopd(t, args...); code != 0 {
			t.Errorf("%v: exit code %d: %s", args, code, out)
		}
	}
}

// runOrlopd runs the program to its end.
func runOrlopd(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, testenv.Binary(t, "orlopd"), args...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	_ = cmd.Run() // the exit code tells
	return cmd.ProcessState.ExitCode(), buf.String()
}
