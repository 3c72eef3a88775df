package remote_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/remote"
)

// A registry that lies about how much has arrived cannot keep a client busy.
func TestForgedOffsets(t *testing.T) {
	content := noise(10 << 20)
	for name, tt := range map[string]struct {
		status func(n int) string // Range of the n-th answer about the session
		patch  func(n int) string // Range of the n-th answer to PATCH; nil: it fails
	}{
		"ever more than was sent": {func(n int) string { return fmt.Sprintf("0-%d", 20<<20+n) }, nil},
		"far too much":            {func(int) string { return "0-4611686018427387903" }, nil},
		"a byte more each time":   {func(n int) string { return fmt.Sprintf("0-%d", 100+n) }, nil},
		"backwards":               {func(n int) string { return fmt.Sprintf("0-%d", 9<<20-n) }, nil},
		"no range":                {func(int) string { return "" }, nil},
		"no numbers":              {func(int) string { return "bytes=-5-x" }, nil},
		"takes a byte each time": {
			func(n int) string { return fmt.Sprintf("0-%d", 100+n) }, func(n int) string { return fmt.Sprintf("0-%d", 200+n) },
		},
		"takes more than was sent": {func(int) string { return "0-99" }, func(int) string { return fmt.Sprintf("0-%d", 20<<20) }},
	} {
		t.Run(name, func(t *testing.T) {
			asked, patched := 0, 0
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "/v2/a/blobs/uploads/1")
				switch {
				case r.Method == http.MethodGet:
					asked++
					w.Header().Set("Range", tt.status(asked))
					w.WriteHeader(http.StatusNoContent)
				case r.Method == http.MethodPost:
					w.WriteHeader(http.StatusAccepted)
				case r.Method == http.MethodPatch && tt.patch != nil:
					patched++
					_, _ = io.Copy(io.Discard, r.Body)
					w.Header().Set("Range", tt.patch(patched))
					w.WriteHeader(http.StatusAccepted)
				case r.Method == http.MethodDelete:
					w.WriteHeader(http.StatusNoContent)
				case r.Method == http.MethodHead:
					w.WriteHeader(http.StatusNotFound)
				default:
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			})
			o := remote.Options{Retry: remote.RetryOptions{Attempts: 3}}
			if err := f.open(t, o).PushBlob(t.Context(), "a", describe(content), bytes.NewReader(content)); err == nil {
				t.Error("pushed")
			}
			o.Uploads = &mapUploads{id: "/v2/a/blobs/uploads/1"}
			if err := f.open(t, o).PushBlob(t.Context(), "a", describe(content), bytes.NewReader(content)); err == nil {
				t.Error("pushed with an earlier upload")
			}
			if n := len(f.seen()); n > 60 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// The answers of an upload have no content that matters, however much there is.
func TestEndlessAnswersToUploads(t *testing.T) {
	content := noise(100 << 10)
	for _, tt := range []struct {
		method string
		status int
		good   bool
	}{
		{http.MethodPost, http.StatusAccepted, true}, {http.MethodPut, http.StatusCreated, true},
		{http.MethodPost, http.StatusForbidden, false}, {http.MethodPut, http.StatusBadRequest, false},
	} {
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Location", "/v2/a/blobs/uploads/1")
			if r.Method == tt.method {
				w.WriteHeader(tt.status)
				endless(w, math.MaxInt)
				return
			}
			w.WriteHeader(map[string]int{http.MethodPost: 202, http.MethodPut: 201, http.MethodDelete: 204}[r.Method])
		})
		err := f.open(t, remote.Options{}).PushBlob(t.Context(), "a", describe(content), bytes.NewReader(content))
		if (err == nil) != tt.good {
			t.Errorf("%d to %s: %v", tt.status, tt.method, err)
		}
	}
}

// A registry that says it has mounted a blob that it does not have is found out
// when the manifest is pushed.
func TestForgedMount(t *testing.T) {
	server := testenv.Start(t, testenv.Options{})
	target, err := url.Parse(server.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = p.In.Host }}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("mount") && r.Header.Get("Authorization") != "" {
			w.Header().Set("Location", "/v2/a/blobs/"+r.URL.Query().Get("mount"))
			w.WriteHeader(http.StatusCreated)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	from, _ := graph(t)
	r := open(t, strings.TrimPrefix(front.URL, "http://"), remote.Options{Credential: admin()})
	o := orlop.CopyOptions{Tags: []string{"v1"}, MountFrom: []string{"b"}}
	if _, err := orlop.Copy(t.Context(), r, "a", from, "a", "v1", o); !errors.Is(err, orlop.ErrManifestBlobUnknown) {
		t.Errorf("error %v", err)
	}
	if _, err := r.Resolve(t.Context(), "a", "v1"); err == nil {
		t.Error("the tag is there")
	}
}
