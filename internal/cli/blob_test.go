package cli

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// oneBlob is a registry of one blob, which serve sends; HEAD it answers itself.
func oneBlob(t *testing.T, content []byte, serve http.HandlerFunc) (reference string) {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	dgst := digest.FromBytes(content)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			serve(w, r)
			return
		}
		w.Header().Set("Docker-Content-Digest", string(dgst))
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String() + "/x@" + string(dgst)
}

// TestBlobFetchResumes goes on in the next run with what an interrupted one
// has.
func TestBlobFetchResumes(t *testing.T) {
	content := make([]byte, 32<<20) // far more than what fits into the buffers on the way
	rand.NewChaCha8([32]byte{}).Read(content)
	ctx, cancel := context.WithCancel(t.Context())
	var ranges []string
	var mu sync.Mutex
	reference := oneBlob(t, content, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		ranges = append(ranges, r.Header.Get("Range"))
		first := len(ranges) == 1
		mu.Unlock()
		if !first {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write(content[:24<<20])
		cancel()
		<-r.Context().Done()
	})
	file := filepath.Join(t.TempDir(), "blob")
	code, _, stderr := run(t, ctx, testEnv(t), "blob", "fetch", reference, "-o", file)
	if code != exitInterrupted {
		t.Fatalf("exit code %d, errors %q", code, stderr)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the file is there before it is complete")
	}
	code, _, stderr = run(t, t.Context(), testEnv(t), "blob", "fetch", reference, "-o", file)
	if got, err := os.ReadFile(file); code != exitOK || err != nil || !bytes.Equal(got, content) {
		t.Errorf("exit code %d, errors %q, %d bytes", code, stderr, len(got))
	}
	if len(ranges) != 2 || ranges[0] != "" || ranges[1] == "" || ranges[1] == "bytes=0-" {
		t.Errorf("asked for the ranges %q", ranges)
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestBlobFetchLies trusts no registry.
func TestBlobFetchLies(t *testing.T) {
	content := bytes.Repeat([]byte("content "), 1<<16)
	wrong := bytes.Clone(content)
	wrong[len(wrong)-1] = '!'
	for name, body := range map[string][]byte{"wrong": wrong, "long": append(bytes.Clone(content), '!')} {
		reference := oneBlob(t, content, func(w http.ResponseWriter, r *http.Request) { w.Write(body) })
		dir := t.TempDir()
		code, stdout, stderr := run(t, t.Context(), testEnv(t), "blob", "fetch", reference, "-o", filepath.Join(dir, "blob"))
		if left, _ := os.ReadDir(dir); code != exitFailed || stdout != "" || len(left) > 0 {
			t.Errorf("%s: exit code %d, errors %q, left %v", name, code, stderr, left)
		}
		code, stdout, stderr = run(t, t.Context(), testEnv(t), "blob", "fetch", reference, "-o", "-")
		if code != exitFailed || len(stdout) > len(content) || !strings.Contains(stderr, errUnverified.Error()) {
			t.Errorf("%s: exit code %d, %d bytes, errors %q", name, code, len(stdout), stderr)
		}
	}
}
