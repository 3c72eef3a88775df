package testenv

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// ready bounds the wait for a process to answer. It is no expectation of how
// fast that is.
const ready = time.Minute

// Process is a server that runs as a process of its own.
type Process struct {
	Server
	cmd    *exec.Cmd
	exited chan error
	output strings.Builder // see Output
}

// ProcessOptions say how a process is to be started. The zero value is the
// default server, with an empty data directory and AdminPassword.
type ProcessOptions struct {
	Data string    // "" makes a directory for the test
	Args []string  // more arguments
	Env  []string  // more environment
	Log  io.Writer // receives standard error; nil is the log of the test

	NoPassword bool // give no password; the server generates one
}

// StartProcess builds orlopd, once for all tests of the process, and starts
// it. At the end of the test it is killed if it still runs.
func StartProcess(t testing.TB, o ProcessOptions) *Process {
	t.Helper()
	if o.Data == "" {
		o.Data = t.TempDir()
	}
	if o.Log == nil {
		o.Log = testLog{t}
	}
	if !slices.Contains(o.Args, "--listen") {
		o.Args = append(o.Args, "--listen", "127.0.0.1:0")
	}
	cmd := exec.Command(Binary(t, "orlopd"), append([]string{"--data", o.Data}, o.Args...)...)
	cmd.Env = withoutOrlop(os.Environ())
	if !o.NoPassword {
		cmd.Env = append(cmd.Env, "ORLOPD_ADMIN_PASSWORD="+AdminPassword)
	}
	cmd.Env = append(cmd.Env, o.Env...)
	cmd.Stderr = o.Log
	cmd.WaitDelay = time.Second
	stdout, printed := io.Pipe()
	cmd.Stdout = printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Process{Server: Server{Data: o.Data}, cmd: cmd, exited: make(chan error, 1)}
	p.stop = sync.OnceFunc(func() { p.signalAndWait(t, syscall.SIGTERM) })
	go func() {
		p.exited <- cmd.Wait()
		printed.Close()
	}()
	t.Cleanup(p.Kill)
	p.readAddress(t, bufio.NewReader(stdout))
	p.awaitReady(t)
	return p
}

// readAddress reads what the server prints, until it has told its address and
// how to push, which is the last thing it prints.
func (p *Process) readAddress(t testing.TB, stdout *bufio.Reader) {
	t.Helper()
	for last := false; !last; {
		line, err := stdout.ReadString('\n')
		p.output.WriteString(line)
		if err != nil {
			t.Fatalf("orlopd ended before it told its address: %v", err)
		}
		if url, ok := strings.CutPrefix(strings.TrimSpace(line), "Orlop serves "); ok {
			p.Scheme, p.Address, _ = strings.Cut(url, "://")
		}
		last = strings.Contains(line, "orlop push")
	}
	if p.Scheme == "https" {
		p.CAFile = filepath.Join(p.Data, "tls", "ca.pem")
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
}

// Output is what the server printed when it started.
func (p *Process) Output() string { return p.output.String() }

func (p *Process) awaitReady(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), ready)
	defer cancel()
	client := p.client(t)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL("/healthz"), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("orlopd does not answer: %v", err)
		}
	}
}

// Pid is the id of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	p.wait()
}

// Signal sends a signal to the process.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Wait waits until the process has ended and returns how.
func (p *Process) Wait() error { return p.wait() }

func (p *Process) wait() error {
	err := <-p.exited
	p.exited <- err // for whoever waits next
	return err
}

func (p *Process) signalAndWait(t testing.TB, sig os.Signal) {
	if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal orlopd: %v", err)
	}
	if err := p.wait(); err != nil {
		t.Errorf("orlopd ended with: %v", err)
	}
}

func withoutOrlop(environ []string) []string {
	kept := make([]string, 0, len(environ))
	for _, kv := range environ {
		if !strings.HasPrefix(kv, "ORLOPD_") {
			kept = append(kept, kv)
		}
	}
	return kept
}

// binaries are the programs built by this process.
var binaries struct {
	sync.Mutex
	dir   string
	built map[string]error // by name
}

// Binary builds the program cmd/name of this module, once for all tests of the
// process, and returns its path. With ORLOP_BIN set, the programs in that
// directory are used as they are. TestMain should call RemoveBinaries.
func Binary(t testing.TB, name string) string {
	t.Helper()
	if dir := os.Getenv("ORLOP_BIN"); dir != "" {
		return filepath.Join(dir, name)
	}
	binaries.Lock()
	defer binaries.Unlock()
	if binaries.dir == "" {
		dir, err := os.MkdirTemp("", "orlop-test-bin-")
		if err != nil {
			t.Fatal(err)
		}
		binaries.dir, binaries.built = dir, map[string]error{}
	}
	path := filepath.Join(binaries.dir, name)
	err, done := binaries.built[name]
	if !done {
		err = build(name, path)
		binaries.built[name] = err
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// RemoveBinaries removes what Binary built.
func RemoveBinaries() {
	binaries.Lock()
	defer binaries.Unlock()
	if binaries.dir != "" {
		_ = os.RemoveAll(binaries.dir)
	}
	binaries.dir = ""
}

func build(name, path string) error {
	cmd := exec.Command("go", "build", "-o", path, "github.com/orlop/orlop/cmd/"+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return nil
}
