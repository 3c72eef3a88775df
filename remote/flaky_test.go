package remote_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/memory"
	"github.com/orlop/orlop/remote"
)

// failures are ways in which a request can fail for a passing reason. next is
// the registry.
var failures = map[string]func(w http.ResponseWriter, r *http.Request, next http.Handler){
	"unavailable": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusServiceUnavailable)
	},
	"unavailable in the middle": func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		w.WriteHeader(http.StatusServiceUnavailable)
	},
	"broken": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(http.StatusInternalServerError)
	},
	"too many": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Retry-After", time.Now().UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	},
	"cut": func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) },
	"cut in the middle": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.Body = io.NopCloser(io.LimitReader(r.Body, r.ContentLength/2))
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	},
	"answer lost": func(_ http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	},
	"answer cut": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		whole := httptest.NewRecorder()
		next.ServeHTTP(whole, r)
		for name, values := range whole.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(whole.Code)
		_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	},
	"token expired": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.Header.Del("Authorization")
		next.ServeHTTP(w, r)
	},
}

// flaky passes requests on to a registry, but for some that fail.
type flaky struct {
	registry http.Handler
	fail     func(w http.ResponseWriter, r *http.Request, next http.Handler)
	n        atomic.Int64
	failing  func(n int64) bool // by number, from 1
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.failing(f.n.Add(1)) {
		f.fail(w, r, f.registry)
		return
	}
	f.registry.ServeHTTP(w, r)
}

// graph makes an index of an image with layers of several sizes.
func graph(t *testing.T) (*memory.Registry, orlop.Descriptor) {
	t.Helper()
	m := memory.New()
	blob := func(size int) orlop.Descriptor {
		content := noise(size)
		desc := describe(content)
		if err := m.PushBlob(t.Context(), "a", desc, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		return desc
	}
	manifest := func(v any, mediaType string, tags ...string) orlop.Descriptor {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		desc, err := m.PushManifest(t.Context(), "a", mediaType, raw, tags...)
		if err != nil {
			t.Fatal(err)
		}
		return desc
	}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	image := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: blob(100),
		Layers: []orlop.Descriptor{blob(80 << 10), blob(1500 << 10)},
	}
	index.Manifests = []orlop.Descriptor{manifest(image, image.MediaType)}
	return m, manifest(index, index.MediaType, "v1")
}

// stream uploads content of unknown size in chunks, and reads it back.
func stream(t *testing.T, r *remote.Registry, repo string, content []byte) error {
	t.Helper()
	w, err := r.Upload(t.Context(), repo, "")
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(content); err != nil {
		return err
	}
	desc, err := w.Commit(t.Context(), digest.FromBytes(content))
	if err != nil {
		return err
	}
	b, err := r.OpenBlob(t.Context(), repo, desc.Digest, 0, -1)
	if err != nil {
		return err
	}
	defer b.Close()
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, content) {
		return fmt.Errorf("%d bytes came back: %w", len(got), err)
	}
	return nil
}

// roundTrip copies the graph to a registry and back, and says what has failed.
// What has not failed must be right.
func roundTrip(t *testing.T, r *remote.Registry, repo string, from *memory.Registry, root orlop.Descriptor) error {
	t.Helper()
	o := orlop.CopyOptions{Tags: []string{"v1"}, Concurrency: 1}
	if _, err := orlop.Copy(t.Context(), r, repo, from, "a", "v1", o); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	back := memory.New()
	got, err := orlop.Copy(t.Context(), back, "a", r, repo, "v1", o)
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	if got.Digest != root.Digest {
		t.Errorf("%s came back instead of %s", got.Digest, root.Digest)
	}
	return stream(t, r, repo, noise(25_000))
}

// TestEveryRequestMayFail lets every request fail in turn, in every way.
func TestEveryRequestMayFail(t *testing.T) {
	server := testenv.Start(t, testenv.Options{})
	target, err := url.Parse(server.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:  func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = p.In.Host },
		ErrorLog: log.New(io.Discard, "", 0),
	}
	from, root := graph(t)
	runs := 0
	try := func(t *testing.T, fail string, failing func(int64) bool) (int64, error) {
		f := &flaky{registry: proxy, fail: failures[fail], failing: failing}
		front := httptest.NewServer(f)
		defer front.Close()
		r := open(t, strings.TrimPrefix(front.URL, "http://"), remote.Options{Credential: admin(), ChunkSize: 10_000, Retry: patient})
		runs++
		err := roundTrip(t, r, "run"+strconv.Itoa(runs), from, root)
		return f.n.Load(), err
	}
	total, err := try(t, "", func(int64) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d requests", total)
	for name := range failures {
		t.Run(name, func(t *testing.T) {
			for i := range total {
				_, err := try(t, name, func(n int64) bool { return n == i+1 })
				if refused := errors.Is(err, orlop.ErrDenied) || errors.Is(err, orlop.ErrUnauthorized); refused && name == "token expired" {
					continue // it was that of the request for a token, or one just given
				}
				if err != nil {
					t.Errorf("request %d: %v", i+1, err)
				}
			}
			for i := range int64(2) {
				if _, err := try(t, name, func(n int64) bool { return n%(i+2) == 0 }); err != nil {
					t.Logf("every request of %d: %v", i+2, err)
				}
			}
		})
	}
}
