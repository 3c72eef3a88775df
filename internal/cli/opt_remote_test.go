package cli

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/orlop/orlop/internal/testenv"
)

// TestRetries counts the requests to a registry that never has time.
func TestRetries(t *testing.T) {
	for _, tt := range []struct {
		after string
		args  []string
		want  int
	}{
		{"0", []string{"--retries", "0"}, 1},
		{"0", []string{"--retries", "2"}, 3},
		{"0", nil, 5},
		{"3600", nil, 1},
		{"1", []string{"--max-retry-after", "0s"}, 1},
		{"2", []string{"--max-retry-after", "1500ms"}, 1},
		{"0", []string{"--max-retry-after", "0s", "--retries", "1"}, 2},
	} {
		l := testenv.StartLiar(t, testenv.LiarOptions{})
		l.On("", "/v2/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", tt.after)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		t.Setenv("DOCKER_CONFIG", t.TempDir())
		code, _, stderr := run(t, t.Context(), testEnv(t), append([]string{"resolve", l.Address + "/a:v1"}, tt.args...)...)
		if got := len(l.Requests()); code != exitFailed || got != tt.want {
			t.Errorf("Retry-After %s, %v: exit code %d, %d requests, want %d: %s", tt.after, tt.args, code, got, tt.want, stderr)
		}
	}
}

// TestInsecureInTheConfiguration: an insecure registry may speak TLS with any
// certificate, or no TLS at all.
func TestInsecureInTheConfiguration(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	for _, secure := range []bool{false, true} {
		l := testenv.StartLiar(t, testenv.LiarOptions{TLS: secure})
		l.AddArtifact(t, "v1", l.AddBlob("f", []byte("content")))
		conf := filepath.Join(t.TempDir(), "registries.conf")
		write(t, conf, fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", l.Address))
		env := testEnv(t)
		env.Getenv = func(name string) string { return map[string]string{"CONTAINERS_REGISTRIES_CONF": conf}[name] }
		for _, args := range [][]string{
			{"pull", l.Address + "/a:v1", "-o", t.TempDir()},
			{"push", l.Address + "/b:v1", "opt_remote.go"},
			{"tag", l.Address + "/a:v1", "v2"},
			{"login", l.Address, "-u", "u", "-p", "p"},
		} {
			if code, _, stderr := run(t, t.Context(), env, args...); code != 0 {
				t.Errorf("TLS %v, %v: exit code %d, errors %s", secure, args, code, stderr)
			}
		}
		// The flag decides against the file.
		if code, _, _ := run(t, t.Context(), env, "resolve", l.Address+"/a:v1", fmt.Sprintf("--plain-http=%v", secure), "--retries", "0"); code != exitFailed {
			t.Errorf("TLS %v: with the wrong flag: exit code %d", secure, code)
		}
	}
}

// TestInsecureOnThisMachine: --insecure for a registry of this machine, which
// may speak TLS with any certificate, or no TLS at all.
func TestInsecureOnThisMachine(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	for _, secure := range []bool{false, true} {
		l := testenv.StartLiar(t, testenv.LiarOptions{TLS: secure})
		l.AddArtifact(t, "v1", l.AddBlob("f", []byte("content")))
		for _, args := range [][]string{
			{"login", "--insecure", l.Address, "-u", "u", "-p", "p"},
			{"pull", "--insecure", l.Address + "/a:v1", "-o", t.TempDir()},
			{"push", "--insecure", l.Address + "/b:v1", "opt_remote.go"},
			{"cp", "--from-insecure", l.Address + "/a:v1", "--to-oci-layout", filepath.Join(t.TempDir(), "layout:1")},
		} {
			if code, _, stderr := run(t, t.Context(), testEnv(t), args...); code != 0 {
				t.Errorf("TLS %v, %v: exit code %d, errors %s", secure, args, code, stderr)
			}
		}
	}
}

// TestResolveIgnoresCase: names of hosts are the same in capitals.
func TestResolveIgnoresCase(t *testing.T) {
	l := testenv.StartLiar(t, testenv.LiarOptions{})
	l.AddArtifact(t, "v1")
	_, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	code, _, stderr := run(t, t.Context(), testEnv(t), "resolve", "--plain-http", "--retries", "0",
		"REG.example:"+port+"/a:v1", "--resolve", "Reg.Example:"+port+":127.0.0.1")
	if code != 0 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
