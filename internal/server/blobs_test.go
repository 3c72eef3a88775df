package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/server"
	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/internal/testenv/s3test"
)

// inBucket configures a server that keeps blobs in a bucket.
func inBucket(t *testing.T, b s3test.Bucket, redirect bool) testenv.Options {
	t.Helper()
	for _, variable := range b.Env() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	return testenv.Options{Configure: func(c *config.Config) {
		c.Blobs = config.Blobs{Kind: config.BlobsInS3, Bucket: b.Name, Prefix: "blobs", Endpoint: b.Endpoint, PathStyle: true}
		c.Redirect = redirect
	}}
}

// pushBlob pushes a blob by one request.
func pushBlob(t *testing.T, s *testenv.Server, content []byte) (path string, status int) {
	t.Helper()
	resp, body := s.Do(t, http.MethodPost, "/v2/app/blobs/uploads/", nil)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	at := strings.TrimPrefix(resp.Header.Get("Location"), s.URL(""))
	d := digest.FromBytes(content)
	sep := map[bool]string{true: "&", false: "?"}[strings.Contains(at, "?")]
	resp, _ = s.Do(t, http.MethodPut, at+sep+"digest="+string(d), bytes.NewReader(content), "Content-Type", "application/octet-stream")
	return "/v2/app/blobs/" + string(d), resp.StatusCode
}

// TestBlobsInS3 pushes and pulls, through the server and by redirects.
func TestBlobsInS3(t *testing.T) {
	bucket := s3test.New(t)
	content := blobtest.Content(1, 9<<20)
	for _, redirect := range []bool{false, true} {
		t.Run(fmt.Sprintf("redirect %v", redirect), func(t *testing.T) {
			s := testenv.Start(t, inBucket(t, bucket, redirect))
			path, status := pushBlob(t, s, content)
			if status != http.StatusCreated {
				t.Fatal(status)
			}
			for ranges, want := range map[string][]byte{"": content, "bytes=1048570-1048589": content[1048570:][:20]} {
				got, redirected := pull(t, s, path, ranges)
				if !bytes.Equal(got, want) || redirected != redirect {
					t.Errorf("range %q: %d bytes, redirected: %v", ranges, len(got), redirected)
				}
			}
			if resp, _ := s.Do(t, http.MethodGet, "/readyz", nil); resp.StatusCode != http.StatusOK {
				t.Errorf("readiness: %s", resp.Status)
			}
		})
	}
}

// pull reads a blob, or a part of it, from where the server sends the client.
func pull(t *testing.T, s *testenv.Server, path, ranges string) (content []byte, redirected bool) {
	t.Helper()
	resp, content := s.Do(t, http.MethodGet, path, nil, "Range", ranges)
	if resp.StatusCode != http.StatusTemporaryRedirect {
		return content, false
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, resp.Header.Get("Location"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", ranges)
	if resp, err = http.DefaultClient.Do(req); err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if content, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return content, true
}

// TestS3GoesAndComes kills the store under a server: what needs it is answered
// with 503, and all is well when it is back.
func TestS3GoesAndComes(t *testing.T) {
	store := s3test.Start(t)
	s := testenv.Start(t, inBucket(t, store.Bucket(t), false))
	path, status := pushBlob(t, s, blobtest.Content(1, 100_000))
	if status != http.StatusCreated {
		t.Fatal(status)
	}
	store.Kill()
	if resp, body := s.Do(t, http.MethodGet, path, nil); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("pull: %s: %s", resp.Status, body)
	}
	if _, status := pushBlob(t, s, blobtest.Content(2, 100_000)); status != http.StatusServiceUnavailable {
		t.Errorf("push: %d", status)
	}
	if resp, body := s.Do(t, http.MethodGet, "/readyz", nil); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("readiness: %s: %s", resp.Status, body)
	}
	if _, status := pushBlob(t, s, []byte("small")); status != http.StatusCreated {
		t.Errorf("push of what is kept in the database: %d", status)
	}
	store.Restart(t)
	if _, status := pushBlob(t, s, blobtest.Content(2, 100_000)); status != http.StatusCreated {
		t.Errorf("push when it was back: %d", status)
	}
	if resp, body := s.Do(t, http.MethodGet, path, nil); resp.StatusCode != http.StatusOK {
		t.Errorf("pull when it was back: %s: %s", resp.Status, body)
	}
}

// TestStartOnS3: a store that refuses us is an error at once, one that does not
// answer is none.
func TestStartOnS3(t *testing.T) {
	store := s3test.Start(t)
	bucket := store.Bucket(t)
	start := func(b s3test.Bucket) error {
		cfg := config.Default()
		cfg.Data, cfg.AdminPassword = t.TempDir(), testenv.AdminPassword
		inBucket(t, b, false).Configure(&cfg)
		s, err := server.Open(context.WithoutCancel(t.Context()), cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err == nil {
			err = s.Close()
		}
		return err
	}
	err := start(s3test.Bucket{Endpoint: bucket.Endpoint, Name: "absent"})
	if err == nil || !strings.Contains(err.Error(), "blobs: bucket absent: there is no such bucket") {
		t.Errorf("a bucket that is not there: %v", err)
	}
	store.Kill()
	if err := start(bucket); err != nil {
		t.Errorf("a store that does not answer: %v", err)
	}
}
