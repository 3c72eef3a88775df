package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
)

// run runs a command line in this process.
func run(t *testing.T, ctx context.Context, env *Env, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	env.Args = append([]string{"orlop"}, args...)
	env.Stdout, env.Stderr = &out, &errOut
	if env.Stdin == nil {
		env.Stdin = strings.NewReader("")
	}
	return Run(ctx, env), out.String(), errOut.String()
}

// stuck is a registry that answers nothing; it tells of each request.
func stuck(t *testing.T) (host string, asked <-chan struct{}) {
	t.Helper()
	requests := make(chan struct{}, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), requests
}

func TestInterrupted(t *testing.T) {
	host, asked := stuck(t)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	code, stdout, stderr := run(t, ctx, testEnv(t), "pull", host+"/x:1", "-o", t.TempDir())
	if code != exitInterrupted || stdout != "" || stderr != "Error: interrupted\n" {
		t.Errorf("exit code %d, output %q, errors %q", code, stdout, stderr)
	}
}

// TestSignals interrupts the real program.
func TestSignals(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			host, asked := stuck(t)
			cmd := exec.CommandContext(t.Context(), "orlop", "pull", host+"/x:1", "-o", t.TempDir(), "--format", "json")
			cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+t.TempDir())
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-asked
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			err := cmd.Wait()
			if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.ExitCode() != exitInterrupted {
				t.Errorf("ended with %v, want exit code %d", err, exitInterrupted)
			}
			if !strings.Contains(stderr.String(), `"code": "INTERRUPTED"`) {
				t.Errorf("errors are %s", stderr.String())
			}
		})
	}
}

// TestInterruptedWaiting ends a command that waits for someone to type.
func TestInterruptedWaiting(t *testing.T) {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	for _, args := range [][]string{
		{"login", "localhost:1"},
		{"login", "localhost:1", "-u", "ci", "--password-stdin"},
		{"acr", "repository", "delete", "-n", "localhost:1", "--repository", "x"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		env := testEnv(t)
		env.StdinTTY = true
		env.Stdin = readerFunc(func(p []byte) (int, error) {
			cancel()
			return r.Read(p) // never returns
		})
		code, _, stderr := run(t, ctx, env, args...)
		if code != exitInterrupted || !strings.HasSuffix(stderr, "Error: interrupted\n") {
			t.Errorf("%v: exit code %d, errors %q", args, code, stderr)
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// checking is a registry that wants Basic authentication by this account.
func checking(t *testing.T, user, password string) (host string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		if u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// prompting returns an environment with a terminal at which someone types.
func prompting(t *testing.T, typed, secret string) *Env {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	env := testEnv(t)
	env.StdinTTY = true
	env.Stdin = strings.NewReader(typed)
	env.ReadSecret = func(context.Context) ([]byte, error) { return []byte(secret), nil }
	return env
}

func TestLoginPrompts(t *testing.T) {
	host := checking(t, "ci", "pass word")
	code, stdout, stderr := run(t, t.Context(), prompting(t, "ci\r\nrest", "pass word"), "login", host)
	if want := "Username: Password: \nLogin Succeeded\n"; code != 0 || stdout != want || stderr != "" {
		t.Errorf("exit code %d, output %q, errors %q", code, stdout, stderr)
	}
	raw, err := os.ReadFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"))
	if err != nil || !strings.Contains(string(raw), fmt.Sprintf("%q", host)) {
		t.Errorf("stored %s, %v", raw, err)
	}
	code, stdout, _ = run(t, t.Context(), prompting(t, "", "wrong"), "login", host, "-u", "ci")
	if code != exitUnauthorized || stdout != "Password: \n" {
		t.Errorf("wrong password: exit code %d, output %q", code, stdout)
	}
	code, _, stderr = run(t, t.Context(), prompting(t, "ci\n", ""), "login", host)
	if code != exitUsage || !strings.Contains(stderr, "the password is empty") {
		t.Errorf("empty password: exit code %d, errors %q", code, stderr)
	}
	code, stdout, _ = run(t, t.Context(), prompting(t, "", ""), "login", host)
	if code != exitFailed || stdout != "Username: " {
		t.Errorf("end of input: exit code %d, output %q", code, stdout)
	}
}

// TestSecretsStayInside looks for the secrets of the command line in all that
// is printed, also when everything goes wrong.
func TestSecretsStayInside(t *testing.T) {
	const secret = "s3cr3t-value"
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	host := checking(t, "ci", secret)
	for _, args := range [][]string{
		{"login", host, "-u", "ci", "-p", secret, "-d"},
		{"login", host, "-u", "other", "-p", secret, "-d"},
		{"repo", "ls", host, "-u", "ci", "-p", secret, "-d"},
		{"repo", "ls", host, "--identity-token", secret, "-d"},
		{"repo", "ls", host, "-H", "X-Secret: " + secret, "-d"},
		{"repo", "ls", host, "-H", secret},
		{"repo", "ls", "127.0.0.1:1", "-u", "ci", "-p", secret, "--format", "json"},
	} {
		_, stdout, stderr := run(t, t.Context(), testEnv(t), args...)
		if strings.Contains(stdout+stderr, secret) {
			t.Errorf("%s shows the secret:\n%s%s", strings.Join(args[:2], " "), stdout, stderr)
		}
	}
}

func TestReadSecret(t *testing.T) {
	for in, want := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\n": "secret", " s p \n\n": " s p \n",
		"": "", "\n": "", strings.Repeat("x", maxSecret+1): "",
	} {
		got, err := readSecret(strings.NewReader(in))
		if got != want || (err != nil) != (want == "") {
			t.Errorf("readSecret(%.20q) = %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestReadLine(t *testing.T) {
	r := strings.NewReader("one\r\ntwo\nthree")
	for _, want := range []string{"one", "two", "three"} {
		if got, err := readLine(r); got != want || err != nil {
			t.Errorf("readLine = %q, %v, want %q", got, err, want)
		}
	}
	if _, err := readLine(r); err != io.EOF {
		t.Errorf("at the end: %v, want EOF", err)
	}
}

// TestLostOutput: output that cannot be written is a failure, not a success.
func TestLostOutput(t *testing.T) {
	env := testEnv(t)
	env.Args = []string{"orlop", "version"}
	env.Stdout = lost{}
	var stderr bytes.Buffer
	env.Stderr = &stderr
	if code := Run(t.Context(), env); code != exitFailed || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("exit code %d, errors %q", code, stderr.String())
	}
}

type lost struct{}

func (lost) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestEveryCommandHasHelp keeps commands that are added later to the rules.
func TestEveryCommandHasHelp(t *testing.T) {
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		if cmd.Short == "" {
			t.Errorf("%s has no short description", cmd.CommandPath())
		}
		if !cmd.HasSubCommands() && !strings.Contains(cmd.Example, "  orlop ") {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	check(NewRoot(testEnv(t)))
}
