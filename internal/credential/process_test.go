//go:build !windows

package credential

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orlop/orlop/remote/auth"
)

// The test binary plays other processes: login FILE HOST stores one credential
// under umask 0, loop FILE stores until it is killed and prints a line for each.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "login" {
		syscall.Umask(0)
		exitOn(put(os.Args[2], os.Args[3], "password"))
		os.Exit(0)
	}
	if len(os.Args) > 2 && os.Args[1] == "loop" {
		for i := 0; ; i++ {
			exitOn(put(os.Args[2], "reg.example", strings.Repeat("x", 1000*(i%50)+1)))
			fmt.Println(i)
		}
	}
	os.Exit(m.Run())
}

func put(path, host, password string) error {
	s, err := Open(path)
	if err != nil {
		return err
	}
	return s.Put(context.Background(), host, auth.Credential{Username: "u", Password: password})
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func start(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestParallelLogins(t *testing.T) {
	const n = 12
	path := filepath.Join(t.TempDir(), "docker", "config.json")
	var cmds []*exec.Cmd
	for i := range n {
		cmd := start(t, "login", path, fmt.Sprintf("reg%d.example", i))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	hosts, err := open(t, path).Hosts(t.Context())
	if err != nil || len(hosts) != n {
		t.Errorf("%d hosts, want %d: %v, %v", len(hosts), n, hosts, err)
	}
	for p, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700 | fs.ModeDir} {
		if info, err := os.Stat(p); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
}

func TestKillDuringWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	for round := range 8 {
		cmd := start(t, "loop", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() == fmt.Sprint(round+1) {
				break
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		if raw := read(t, path); !json.Valid([]byte(raw)) {
			t.Fatalf("not valid JSON after a kill: %q", raw)
		}
	}
	// What the kills left, a lock and a temporary file, hinders nobody.
	if err := put(path, "next.example", "p"); err != nil {
		t.Error(err)
	}
}

func TestLockWaitsAsLongAsTheContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	unlock, err := lock(t.Context(), path+".lock")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	s := open(t, path)
	err = s.Put(ctx, "reg.example", auth.Credential{Username: "u", Password: "p"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put under a lock: %v", err)
	}
	unlock()
	if err := s.Put(t.Context(), "reg.example", auth.Credential{Username: "u", Password: "p"}); err != nil {
		t.Error(err)
	}
}

func TestSymlinkStays(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "dotfiles"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "config.json")
	for _, s := range []struct{ target, link string }{
		{"middle", link}, {filepath.Join("dotfiles", "docker.json"), filepath.Join(dir, "middle")},
	} {
		if err := os.Symlink(s.target, s.link); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(link, "reg.example", "p"); err != nil { // the target is missing at first
		t.Fatal(err)
	}
	if err := put(link, "two.example", "p"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is now %v, %v", info.Mode(), err)
	}
	if hosts, err := open(t, filepath.Join(dir, "dotfiles", "docker.json")).Hosts(t.Context()); len(hosts) != 2 {
		t.Errorf("the target has %v, %v", hosts, err)
	}
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	if err := put(filepath.Join(dir, "loop"), "reg.example", "p"); err == nil {
		t.Error("a loop of links was accepted")
	}
}

func TestReadOnlyFolderKeepsTheFile(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	path := write(t, `{"auths":{}}`)
	if err := os.Chmod(filepath.Dir(path), 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Dir(path), 0o700) }) // to be removed
	if err := put(path, "reg.example", "p"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Put: %v", err)
	}
}
