package distapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/mem"
)

// bucket is a store with a door of its own, which opens to those who know a
// secret in the URL.
type bucket struct {
	blob.Store
	t      *testing.T
	srv    *httptest.Server
	served atomic.Int32
	broken atomic.Bool // cannot sign
	life   atomic.Int64
}

const doorSecret = "a-signature-nobody-may-log"

func newBucket(t *testing.T) *bucket {
	b := &bucket{Store: mem.New(mem.Options{}), t: t}
	b.srv = httptest.NewServer(b)
	t.Cleanup(b.srv.Close)
	return b
}

// URL implements blob.Signer.
func (b *bucket) URL(_ context.Context, key string, life time.Duration) (string, error) {
	b.life.Store(int64(life))
	if b.broken.Load() {
		return "", errors.New("no key to sign with")
	}
	return b.url() + key + "?sig=" + doorSecret, nil
}

// url has another host than the API: clients resend credentials to the same one.
func (b *bucket) url() string {
	return strings.Replace(b.srv.URL, "127.0.0.1", "localhost", 1) + "/"
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("sig") != doorSecret {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if r.Header.Get("Authorization") != "" {
		b.t.Error("the store was shown the credentials of the registry")
	}
	obj, err := b.Open(r.Context(), strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	b.served.Add(1)
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(obj, 0, obj.Size()))
}

func newRedirecting(t *testing.T) (*env, *bucket) {
	b := newBucket(t)
	return newEnvOn(t, Options{Redirect: true}, b), b
}

// direct sends a request and does not follow where it is sent.
func (c *client) direct(method, path string, headers ...string) *http.Response {
	c.e.t.Helper()
	followed := *c.e.srv.Client()
	followed.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequest(method, c.e.srv.URL+path, nil)
	if err != nil {
		c.e.t.Fatal(err)
	}
	if c.auth != "" {
		req.Header.Set("Authorization", c.auth)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := followed.Do(req)
	if err != nil {
		c.e.t.Fatal(err)
	}
	c.e.t.Cleanup(func() { res.Body.Close() })
	return res
}

// TestRedirect reads a large blob in the ways that go to the store, and in those
// that do not.
func TestRedirect(t *testing.T) {
	e, store := newRedirecting(t)
	c := e.admin()
	large, small := bytes.Repeat([]byte("0123456789"), 10_000), []byte("small")
	d, s := c.push("a", large), c.push("a", small)
	path := "/v2/a/blobs/" + d.String()

	res := c.direct("GET", path)
	if res.StatusCode != http.StatusTemporaryRedirect || !strings.HasPrefix(res.Header.Get("Location"), store.url()) {
		t.Fatalf("status %d, Location %q", res.StatusCode, res.Header.Get("Location"))
	}
	if res.Header.Get("Docker-Content-Digest") != d.String() || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", res.Header)
	}
	if life := time.Duration(store.life.Load()); life < time.Minute || life > time.Hour {
		t.Errorf("the URL lives %v", life)
	}
	if got := c.do("GET", path, nil); !bytes.Equal(got.body, large) {
		t.Errorf("%d bytes", len(got.body))
	}
	if got := c.do("GET", path, nil, "Range", "bytes=5-14"); got.StatusCode != http.StatusPartialContent || string(got.body) != "5678901234" {
		t.Errorf("a range: %d %q", got.StatusCode, got.body)
	}
	if n := store.served.Load(); n != 2 {
		t.Errorf("the store has sent %d times", n)
	}
	for name, ours := range map[string]struct {
		method, path string
		headers      []string
		status       int
	}{
		"HEAD":                       {"HEAD", path, nil, 200},
		"small":                      {"GET", "/v2/a/blobs/" + s.String(), nil, 200},
		"not modified":               {"GET", path, []string{"If-None-Match", `"` + d.String() + `"`}, 304},
		"several ranges":             {"GET", path, []string{"Range", "bytes=0-1,5-6"}, 206},
		"a range of this very blob":  {"GET", path, []string{"Range", "bytes=0-1", "If-Range", `"` + d.String() + `"`}, 206},
		"a range that is not there":  {"GET", path, []string{"Range", "bytes=1000000-"}, 416},
		"a blob that is not there":   {"GET", "/v2/a/blobs/" + digest.FromString("x").String(), nil, 404},
		"a blob that is not in here": {"GET", "/v2/b/blobs/" + d.String(), nil, 404},
	} {
		res := c.direct(ours.method, ours.path, ours.headers...)
		if res.StatusCode != ours.status || res.Header.Get("Location") != "" {
			t.Errorf("%s: status %d, Location %q", name, res.StatusCode, res.Header.Get("Location"))
		}
	}
	for _, stranger := range []*client{e.anonymous(), e.user("pusher of others", "AcrPush", "b")} {
		if res := stranger.direct("GET", path); res.StatusCode/100 != 4 || res.Header.Get("Location") != "" {
			t.Errorf("%s: status %d, Location %q", stranger.name, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if strings.Contains(e.log(), doorSecret) {
		t.Error("the URL was logged")
	}
}

// TestRedirectFallsBack sends the blob itself where the store cannot sign.
func TestRedirectFallsBack(t *testing.T) {
	e, store := newRedirecting(t)
	c := e.admin()
	large := bytes.Repeat([]byte("0123456789"), 10_000)
	path := "/v2/a/blobs/" + c.push("a", large).String()
	store.broken.Store(true)
	res := c.do("GET", path, nil)
	if res.StatusCode != http.StatusOK || !bytes.Equal(res.body, large) {
		t.Errorf("status %d, %d bytes", res.StatusCode, len(res.body))
	}
	if n := store.served.Load(); n != 0 {
		t.Errorf("the store has sent %d times", n)
	}
}

// TestNoRedirect is how it is where the setting is off.
func TestNoRedirect(t *testing.T) {
	e := newEnvOn(t, Options{}, newBucket(t))
	c := e.admin()
	res := c.direct("GET", "/v2/a/blobs/"+c.push("a", bytes.Repeat([]byte("0123456789"), 10_000)).String())
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
}
