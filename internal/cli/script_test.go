package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/bcrypt"

	serverconfig "github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/testenv"
)

// The test binary plays orlop, and oras as a link to it, in the scripts.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", gorace)
	run := func() { os.Exit(Main()) }
	testscript.Main(m, map[string]func(){"orlop": run, "oras": run})
}

// gorace keeps each program that runs with the race detector from sleeping a
// second before it ends.
const gorace = "atexit_sleep_ms=0"

// TestOffline runs the scripts that need no registry.
func TestOffline(t *testing.T) { runScripts(t, "testdata/offline", nil) }

// TestDistribution runs the scripts that every registry must carry against
// the reference implementation.
func TestDistribution(t *testing.T) {
	runScripts(t, "testdata/registry", map[string]string{
		"REGISTRY": startDistribution(t), "ACCOUNT": "ci", "PASSWORD": "secret",
	})
}

// TestOrlopd runs the same scripts against our server, and those of what only
// it has.
func TestOrlopd(t *testing.T) {
	srv := testenv.Start(t, testenv.Options{
		Log: io.Discard, Configure: func(c *serverconfig.Config) { c.Domain = []string{"registries.test"} },
	})
	vars := map[string]string{"REGISTRY": srv.Address, "ACCOUNT": "admin", "PASSWORD": testenv.AdminPassword}
	t.Run("registry", func(t *testing.T) { runScripts(t, "testdata/registry", vars) })
	t.Run("orlopd", func(t *testing.T) { runScripts(t, "testdata/orlopd", vars) })
}

// TestTLS runs the scripts about certificates.
func TestTLS(t *testing.T) {
	srv := testenv.Start(t, testenv.Options{
		Log: io.Discard, Configure: func(c *serverconfig.Config) { c.TLS = serverconfig.TLSAuto },
	})
	runScripts(t, "testdata/tls", map[string]string{
		"REGISTRY": srv.Address, "CA_FILE": srv.CAFile, "ACCOUNT": "admin", "PASSWORD": testenv.AdminPassword,
	})
}

// TestHostile runs the scripts against a registry that answers badly.
func TestHostile(t *testing.T) {
	srv := httptest.NewServer(hostile())
	t.Cleanup(srv.Close)
	runScripts(t, "testdata/hostile", map[string]string{"REGISTRY": srv.Listener.Addr().String()})
}

// runScripts runs the scripts of a directory, each with a home of its own, and
// with vars in its environment.
func runScripts(t *testing.T, dir string, vars map[string]string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("GORACE", gorace)
			e.Setenv("HOME", home)
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
			e.Setenv("DOCKER_CONFIG", filepath.Join(home, ".docker"))
			name := strings.ToLower(strings.NewReplacer("_", "-", " ", "-").Replace(filepath.Base(e.WorkDir)))
			e.Setenv("REPO", name) // a repository of the script's own
			for k, v := range vars {
				e.Setenv(k, v)
			}
			if err := os.MkdirAll(home, 0o700); err != nil {
				return err
			}
			answers := vars["ACCOUNT"] + "\n" + vars["PASSWORD"] + "\n"
			return errors.Join(
				os.WriteFile(filepath.Join(e.WorkDir, "password"), []byte(vars["PASSWORD"]+"\n"), 0o600),
				os.WriteFile(filepath.Join(e.WorkDir, "answers"), []byte(answers), 0o600),
			)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"filter": filter,
			"login":  login,
			"appid":  appID,
		},
	})
}

// exits runs a program and demands its exit code: exits CODE PROGRAM ARGS...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if e, ok := err.(*exec.ExitError); ok {
		code = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// login signs in with the user name and the password of a file's two lines:
// login FILE.
func login(ts *testscript.TestScript, neg bool, args []string) {
	id, secret, _ := strings.Cut(strings.TrimSpace(ts.ReadFile(args[0])), "\n")
	ts.Check(os.WriteFile(ts.MkAbs("secret"), []byte(secret), 0o600))
	err := ts.Exec("sh", "-c", "orlop login $REGISTRY -u "+id+" --password-stdin <secret")
	if (err != nil) != neg {
		ts.Fatalf("login: %v", err)
	}
}

// appID sets $APP_ID to what a file holds: appid FILE.
func appID(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv("APP_ID", strings.TrimSpace(ts.ReadFile(args[0])))
}

// filter copies a file and replaces what differs from run to run, so that it
// can be compared: filter FROM TO.
func filter(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: filter from to")
	}
	text := ts.ReadFile(args[0])
	text = strings.ReplaceAll(text, ts.Getenv("WORK"), "WORK")
	text = strings.ReplaceAll(text, ts.Getenv("REGISTRY"), "REGISTRY")
	text = strings.ReplaceAll(text, ts.Getenv("REPO"), "REPO")
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// startDistribution starts the registry of the distribution project, with
// accounts, and returns its address. It is skipped where there is none, but
// not in CI.
func startDistribution(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("registry")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("registry is not installed: go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2")
		}
		t.Skip("registry is not installed")
	}
	dir := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "htpasswd"), "ci:"+string(hash)+"\n")
	write(t, filepath.Join(dir, "config.yml"), fmt.Sprintf(`version: 0.1
log: {level: info}
storage: {filesystem: {rootdirectory: %[1]q}, delete: {enabled: true}}
http: {addr: "127.0.0.1:0"}
auth: {htpasswd: {realm: test, path: %[2]q}}
`, filepath.Join(dir, "data"), filepath.Join(dir, "htpasswd")))
	cmd := exec.Command(program, "serve", filepath.Join(dir, "config.yml"))
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return listening(t, bufio.NewScanner(log))
}

// listening reads the log until it tells the address, and then drains it.
func listening(t *testing.T, log *bufio.Scanner) string {
	t.Helper()
	address := regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)
	var seen []string
	for log.Scan() {
		seen = append(seen, log.Text())
		if m := address.FindStringSubmatch(log.Text()); m != nil {
			go func() {
				for log.Scan() {
				}
			}()
			return m[1]
		}
	}
	t.Fatalf("the registry did not start:\n%s", strings.Join(seen, "\n"))
	return ""
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// hostile is a registry whose every answer tries something.
func hostile() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("{}")) })
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Warning", `299 - "read \x1b]0;this\x07 warning"`)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	mux.HandleFunc("GET /v2/_catalog", answer(200, `{"repositories":["good","\u001b[2Jcleared","exe.\u202etxt"]}`))
	mux.HandleFunc("GET /v2/denied/tags/list", answer(403,
		`{"errors":[{"code":"DENIED","message":"no \u001b[31mred\nsecond line","detail":{"a":"\u202e"}}]}`))
	mux.HandleFunc("GET /v2/teapot/tags/list", answer(418, `<html>`+strings.Repeat("x", 100_000)))
	mux.HandleFunc("GET /v2/nolist/tags/list", answer(200, `[1,2,3]`))
	return mux
}
