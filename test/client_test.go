package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/testenv"
)

// client runs the real orlop, each time as a process of its own, in a folder
// and with a home of its own.
type client struct {
	t    *testing.T
	dir  string // the current folder of the processes, empty at first
	home string
	env  []string // more environment
}

// The account that a client has at a registry; see signIn.
const (
	clientUser     = "someone"
	clientPassword = "secret-of-someone"
)

func newClient(t *testing.T) *client {
	t.Helper()
	c := &client{t: t, dir: filepath.Join(t.TempDir(), "work"), home: t.TempDir()}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

// ran is how a process ended.
type ran struct {
	code           int
	stdout, stderr string
	peak           int64 // bytes of memory; 0 where that cannot be told
}

// run runs orlop to its end.
func (c *client) run(args ...string) ran {
	c.t.Helper()
	cmd := c.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	done := make(chan struct{})
	peak := make(chan int64)
	go func() { peak <- watchMemory(cmd.Process.Pid, done) }()
	err := cmd.Wait()
	close(done)
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		c.t.Fatal(err)
	}
	return ran{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), <-peak}
}

// command is orlop, not yet started.
func (c *client) command(args ...string) *exec.Cmd {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), testenv.Binary(c.t, "orlop"), args...)
	cmd.Dir = c.dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "XDG_CONFIG_HOME=" + filepath.Join(c.home, ".config"),
		"XDG_CACHE_HOME=" + filepath.Join(c.home, ".cache"), "DOCKER_CONFIG=" + filepath.Join(c.home, ".docker"),
	}, c.env...)
	return cmd
}

// watchMemory returns the peak of the memory of a process until done.
func watchMemory(pid int, done <-chan struct{}) (peak int64) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		raw, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if _, after, ok := strings.Cut(string(raw), "VmHWM:"); ok {
			kilobytes, _ := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
			peak = max(peak, kilobytes<<10)
		}
		select {
		case <-done:
			return peak
		case <-tick.C:
		}
	}
}

// signIn stores the account for a host as docker login would.
func (c *client) signIn(host string) {
	c.t.Helper()
	auth := base64.StdEncoding.EncodeToString([]byte(clientUser + ":" + clientPassword))
	raw, err := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]string{"auth": auth}}})
	if err != nil {
		c.t.Fatal(err)
	}
	dir := filepath.Join(c.home, ".docker")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), raw, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// files lists the files below the folder of the client with their content,
// without what orlop keeps beside a target to go on with.
func (c *client) files() map[string]string {
	c.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".orlop-") {
			return err
		}
		raw, err := os.ReadFile(path)
		rel, _ := filepath.Rel(c.dir, path)
		found[rel] = string(raw)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return found
}

// leftovers lists what orlop has left beside targets.
func (c *client) leftovers() []string {
	c.t.Helper()
	found, err := filepath.Glob(filepath.Join(c.dir, "*", ".orlop-*"))
	if err != nil {
		c.t.Fatal(err)
	}
	here, err := filepath.Glob(filepath.Join(c.dir, ".orlop-*"))
	if err != nil {
		c.t.Fatal(err)
	}
	return append(found, here...)
}

// wantNoSecret checks that requests hold nothing of the client's account.
func wantNoSecret(t *testing.T, requests []testenv.LiarRequest) {
	t.Helper()
	for _, r := range requests {
		for _, header := range []string{"Authorization", "Cookie", "X-Secret"} {
			if r.Header.Get(header) != "" {
				t.Errorf("%s %s carries %s", r.Method, r.Path, header)
			}
		}
		basic := base64.StdEncoding.EncodeToString([]byte(clientUser + ":" + clientPassword))
		for _, secret := range []string{clientPassword, basic} {
			if strings.Contains(r.Path, secret) || bytes.Contains(r.Body, []byte(secret)) {
				t.Errorf("%s %s carries the password", r.Method, r.Path)
			}
		}
	}
}
