package cli

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/testenv"
)

// TestStreamsToWhoTakesNoChunks pushes standard input to a registry that refuses
// PATCH, and leaves nothing behind.
func TestStreamsToWhoTakesNoChunks(t *testing.T) {
	server := testenv.Start(t, testenv.Options{})
	behind, err := url.Parse(server.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(behind); p.Out.Host = p.In.Host }}
	for _, status := range []int{http.StatusMethodNotAllowed, http.StatusNotFound} {
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch {
				w.WriteHeader(status)
				return
			}
			proxy.ServeHTTP(w, r)
		}))
		defer front.Close()
		host := strings.TrimPrefix(front.URL, "http://")
		t.Setenv("DOCKER_CONFIG", t.TempDir())
		t.Setenv("TMPDIR", t.TempDir())
		content := make([]byte, 9<<20)
		rand.Read(content)
		account := []string{"-u", "admin", "-p", testenv.AdminPassword}
		for name, args := range map[string][]string{
			"push":      {"push", host + "/a:1", "-", "--title", "f"},
			"blob push": {"blob", "push", host + "/a", "-"},
		} {
			env := testEnv(t)
			env.Stdin = bytes.NewReader(content)
			if code, _, stderr := run(t, t.Context(), env, append(args, account...)...); code != 0 {
				t.Errorf("%s, PATCH gets %d: exit code %d: %s", name, status, code, stderr)
			}
		}
		out := t.TempDir()
		if code, _, stderr := run(t, t.Context(), testEnv(t), append([]string{"pull", host + "/a:1", "-o", out}, account...)...); code != 0 {
			t.Errorf("pull: exit code %d: %s", code, stderr)
		}
		if got, err := os.ReadFile(filepath.Join(out, "f")); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes came back (%v), want %d", len(got), err, len(content))
		}
		if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
			t.Errorf("%d files are left (%v)", len(left), err)
		}
	}
}
