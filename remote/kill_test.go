package remote_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "push-half" {
		pushHalf(os.Args[2], os.Args[3])
	}
	os.Exit(m.Run())
}

// servers start real registries and return their hosts.
var servers = map[string]func(*testing.T) string{
	"orlopd":       func(t *testing.T) string { return testenv.Start(t, testenv.Options{}).Address },
	"distribution": distribution,
}

// fileStore remembers one upload in a file.
type fileStore string

func (s fileStore) Load(string, string, digest.Digest) string {
	raw, err := os.ReadFile(string(s))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		panic(err)
	}
	return string(raw)
}

func (s fileStore) Save(_, _ string, _ digest.Digest, id string) {
	if err := os.WriteFile(string(s), []byte(id), 0o600); err != nil {
		panic(err)
	}
}

func admin() auth.CredentialFunc {
	return auth.Static(auth.Credential{Username: "admin", Password: testenv.AdminPassword})
}

const (
	killedSize = 24 << 20
	killedAt   = 16 << 20
)

// halting is content that says on standard output that its half is read, and
// gives no more.
type halting struct {
	io.ReadSeeker
	pos int
}

func (h *halting) Read(p []byte) (int, error) {
	if h.pos == killedAt {
		os.Stdout.WriteString("half\n")
		select {}
	}
	n, err := h.ReadSeeker.Read(p[:min(len(p), killedAt-h.pos)])
	h.pos += n
	return n, err
}

func pushHalf(host, store string) {
	content := noise(killedSize)
	r, err := remote.New(host, remote.Options{PlainHTTP: true, Credential: admin(), Uploads: fileStore(store)})
	if err != nil {
		panic(err)
	}
	ctx, desc := context.Background(), describe(content)
	panic(r.PushBlob(ctx, "a", desc, &halting{ReadSeeker: bytes.NewReader(content)}))
}

// counting counts the bytes of bodies that are sent.
type counting struct {
	http.RoundTripper
	sent atomic.Int64
}

func (c *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.ContentLength > 0 {
		req = req.Clone(req.Context())
		req.Body = &countingBody{req.Body, &c.sent}
	}
	return c.RoundTripper.RoundTrip(req)
}

type countingBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// A push goes on with what a process has sent that was killed in the middle.
func TestPushGoesOnAfterKill(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			host, store := start(t), fileStore(filepath.Join(t.TempDir(), "upload"))
			runUntilHalf(t, "push-half", host, string(store))
			transport := &counting{RoundTripper: http.DefaultTransport}
			r := open(t, host, remote.Options{Credential: admin(), Uploads: store, Transport: transport})
			awaitArrival(t, r, store.Load("", "", ""))

			content := noise(killedSize)
			if err := r.PushBlob(t.Context(), "a", describe(content), bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			if n := transport.sent.Load(); n > killedSize-killedAt+1<<20 {
				t.Errorf("%d bytes were sent after %d of %d had arrived", n, killedAt, killedSize)
			}
			if !bytes.Equal(readAll(t, r, describe(content).Digest), content) {
				t.Error("the registry has other content")
			}
			if id := store.Load("", "", ""); id != "" {
				t.Errorf("the upload %s is still remembered", id)
			}
		})
	}
}

// runUntilHalf runs this binary as another process and kills it once it says
// that half is done.
func runUntilHalf(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "half\n" {
		t.Errorf("the process says %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // killed
}

// awaitArrival waits until the registry has what was on its way.
func awaitArrival(t *testing.T, r *remote.Registry, id string) {
	t.Helper()
	for {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, id, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := r.Do(req, auth.Scope("a", "pull", "push"))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		_, last, _ := strings.Cut(resp.Header.Get("Range"), "-")
		if n, _ := strconv.Atoi(last); n > killedAt-1<<20 {
			return
		}
	}
}

// mapUploads remembers uploads in memory.
type mapUploads struct{ id string }

func (m *mapUploads) Load(string, string, digest.Digest) string { return m.id }

func (m *mapUploads) Save(_, _ string, _ digest.Digest, id string) { m.id = id }

// Whatever has become of an upload that is remembered, the blob arrives.
func TestRememberedUploadOfNoUse(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) { rememberedUploadOfNoUse(t, start(t)) })
	}
}

func rememberedUploadOfNoUse(t *testing.T, host string) {
	r := open(t, host, remote.Options{Credential: admin()})
	begin := func(t *testing.T, repo string, content []byte) string {
		w, err := r.Upload(t.Context(), repo, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return w.ID()
	}
	content := noise(9 << 20)
	for name, id := range map[string]string{
		"other content":   begin(t, "a", noise(1<<20)),
		"too much":        begin(t, "a", noise(10<<20)),
		"all of it":       begin(t, "a", content),
		"some of it":      begin(t, "a", content[:1]),
		"other repo":      begin(t, "b", content[:1<<20]),
		"unknown":         "/v2/a/blobs/uploads/unknown",
		"a blob":          "/v2/a/blobs/" + string(digest.FromString("x")),
		"another host":    "//elsewhere.example/v2/a/blobs/uploads/1",
		"another scheme":  "ftp://" + host + "/v2/a/blobs/uploads/1",
		"no URL":          "/%zz",
		"the whole world": "/",
	} {
		t.Run(name, func(t *testing.T) {
			store := &mapUploads{id: id}
			r := open(t, host, remote.Options{Credential: admin(), Uploads: store})
			if err := r.PushBlob(t.Context(), "a", describe(content), bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			if store.id != "" {
				t.Errorf("the upload %s is still remembered", store.id)
			}
			if !bytes.Equal(readAll(t, r, describe(content).Digest), content) {
				t.Error("the registry has other content")
			}
			if err := r.DeleteBlob(t.Context(), "a", describe(content).Digest); err != nil {
				t.Error(err)
			}
		})
	}
}

// What fails for another reason than the upload leaves it, for the next
// process; a small one is never remembered.
func TestWhatIsRemembered(t *testing.T) {
	for name, tt := range map[string]struct {
		size   int
		status int // of the PUT
		kept   bool
	}{
		"unavailable": {9 << 20, http.StatusServiceUnavailable, true},
		"denied":      {9 << 20, http.StatusForbidden, true},
		"refused":     {9 << 20, http.StatusBadRequest, false},
		"too large":   {9 << 20, http.StatusRequestEntityTooLarge, false},
		"small":       {1 << 20, http.StatusServiceUnavailable, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				switch r.Method {
				case http.MethodPost:
					w.Header().Set("Location", "/v2/a/blobs/uploads/1?state=x")
					w.WriteHeader(http.StatusAccepted)
				case http.MethodDelete:
					w.WriteHeader(http.StatusNoContent)
				default:
					_, _ = io.Copy(io.Discard, r.Body)
					w.WriteHeader(tt.status)
				}
			})
			store, content := &mapUploads{}, noise(tt.size)
			o := remote.Options{Uploads: store, Retry: remote.RetryOptions{Attempts: 1}}
			err := f.open(t, o).PushBlob(t.Context(), "a", describe(content), bytes.NewReader(content))
			if e, ok := errors.AsType[*orlop.Error](err); !ok || e.Status != tt.status {
				t.Errorf("error %v", err)
			}
			if kept := store.id != ""; kept != tt.kept || f.count(http.MethodDelete) == 0 != tt.kept {
				t.Errorf("remembered %q after %q", store.id, f.seen())
			}
		})
	}
}
