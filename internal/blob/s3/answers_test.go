package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/blob/s3"
	"github.com/orlop/orlop/internal/testenv/s3test"
)

// TestMeanings answers with errors as stores have them.
func TestMeanings(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   error
	}{
		{404, "NoSuchKey", blob.ErrNotFound},
		{404, "NoSuchBucket", nil}, // which is no object that is not there
		{403, "AccessDenied", nil},
		{403, "QuotaExceeded", blob.ErrFull}, // versitygw
		{507, "XMinioStorageFull", blob.ErrFull},
		{507, "", blob.ErrFull},
		{400, "XMinioAdminBucketQuotaExceeded", blob.ErrFull},
		{503, "SlowDown", blob.ErrUnavailable},
		{500, "InternalError", blob.ErrUnavailable},
		{429, "TooManyRequests", blob.ErrUnavailable},
		{502, "", blob.ErrUnavailable},
		{409, "ConditionalRequestConflict", blob.ErrUnavailable},
		{412, "PreconditionFailed", blob.ErrExists},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(c.status)
			if r.Method != http.MethodHead && c.code != "" {
				fmt.Fprintf(w, "<Error><Code>%s</Code><Message>words</Message></Error>", c.code)
			}
		}))
		s := open(t, s3.Options{Bucket: "bucket", Endpoint: server.URL, Attempts: 2, Backoff: time.Millisecond})
		w, err := s.Create(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		err = w.Commit()
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%d %s: %v", c.status, c.code, err)
		}
		for _, other := range []error{blob.ErrNotFound, blob.ErrFull, blob.ErrUnavailable, blob.ErrExists} {
			if other != c.want && errors.Is(err, other) {
				t.Errorf("%d %s is taken for %v: %v", c.status, c.code, other, err)
			}
		}
		server.Close()
	}
}

// TestPing tells what is wrong with a bucket.
func TestPing(t *testing.T) {
	bucket := s3test.New(t)
	s := open(t, s3.Options{Bucket: bucket.Name, Endpoint: bucket.Endpoint})
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	s = open(t, s3.Options{Bucket: "other", Endpoint: bucket.Endpoint})
	if err := s.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "no such bucket") {
		t.Errorf("a bucket that is not there: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.KeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	s, err := s3.Open(t.Context(), s3.Options{Bucket: bucket.Name, Endpoint: bucket.Endpoint, PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "do not let in") {
		t.Errorf("a wrong secret: %v", err)
	}
}

// TestURL reads an object without credentials, whole and in part.
func TestURL(t *testing.T) {
	bucket := s3test.New(t)
	s := open(t, s3.Options{Bucket: bucket.Name, Prefix: "some/where", Endpoint: bucket.Endpoint})
	content := blobtest.Content(1, 100_000)
	blobtest.Put(t, s, "key", content)
	url, err := s.URL(t.Context(), "key", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string][]byte{"": content, "bytes=10-19": content[10:20], "bytes=-5": content[99_995:]} {
		status, got := fetch(t, url, header)
		if wantStatus := map[bool]int{true: 200, false: 206}[header == ""]; status != wantStatus || !bytes.Equal(got, want) {
			t.Errorf("range %q: %d with %d bytes", header, status, len(got))
		}
	}
	if status, _ := fetch(t, strings.Replace(url, "/key?", "/kez?", 1), ""); status != http.StatusForbidden {
		t.Errorf("another object by the same signature: %d", status)
	}
	if _, err := s.URL(t.Context(), "../x", time.Minute); !errors.Is(err, blob.ErrKey) {
		t.Errorf("a URL for a hostile key: %v", err)
	}
}

// TestPublicURL: clients are sent to the store as they reach it.
func TestPublicURL(t *testing.T) {
	s := open(t, s3.Options{Bucket: "bucket", Endpoint: "http://10.0.0.1:9000", PublicEndpoint: "https://s3.example.com"})
	url, err := s.URL(t.Context(), "key", time.Minute)
	if err != nil || !strings.HasPrefix(url, "https://s3.example.com/bucket/ke/key?") {
		t.Errorf("%q, %v", url, err)
	}
}

func fetch(t *testing.T, url, ranges string) (status int, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// TestRequests counts what is asked of the store: reads in order share a request,
// and a small object is one request to write and one to read.
func TestRequests(t *testing.T) {
	f := openFaulty(t, 0)
	count := func(what string, want int, do func()) {
		t.Helper()
		f.proxy.Set(nil)
		do()
		if got := f.proxy.Requests(); got != want {
			t.Errorf("%s: %d requests, want %d", what, got, want)
		}
	}
	small, large := blobtest.Content(1, 100_000), blobtest.Content(2, 20<<20)
	count("write small", 1, func() { blobtest.Put(t, f, "small", small) })
	count("read small", 1, func() { blobtest.Get(t, f, "small") })
	count("write large", 1+3+1, func() { blobtest.Put(t, f, "large", large) })
	count("read large", 1, func() { blobtest.Get(t, f, "large") })
	count("delete", 3, func() {
		if err := f.Delete(t.Context(), "large"); err != nil {
			t.Error(err)
		}
	})
}
