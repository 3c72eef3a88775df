package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/internal/testenv/pgtest"
)

// TestTwoServersOnPostgres pushes to one server and pulls from another, on the
// same database and files.
func TestTwoServersOnPostgres(t *testing.T) {
	url, blobs := pgtest.Start(t).Create(t, "orlop"), t.TempDir()
	shared := testenv.Options{Configure: func(c *config.Config) {
		c.Metadata, c.Blobs = config.Metadata(url), config.Blobs{Kind: config.BlobsInDir, Dir: blobs}
	}}
	a, b := testenv.Start(t, shared), testenv.Start(t, shared)
	pushIndex(t, a, "v1")
	if resp, body := b.Do(t, http.MethodGet, "/v2/app/manifests/v1", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", resp.Status, body)
	}
	pushIndex(t, b, "v2")
	if _, body := a.Do(t, http.MethodGet, "/v2/app/tags/list", nil); !strings.Contains(string(body), `"v1","v2"`) {
		t.Errorf("%s", body)
	}
}

// pushIndex pushes an index without manifests, which needs no blob.
func pushIndex(t *testing.T, s *testenv.Server, tag string) *http.Response {
	t.Helper()
	const index = "application/vnd.oci.image.index.v1+json"
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[],"annotations":{"tag":%q}}`, index, tag)
	resp, body := s.Do(t, http.MethodPut, "/v2/app/manifests/"+tag, bytes.NewReader(raw), "Content-Type", index)
	if resp.StatusCode == http.StatusCreated && resp.Header.Get("Docker-Content-Digest") != string(digest.FromBytes(raw)) {
		t.Errorf("%s: %s", resp.Status, body)
	}
	return resp
}

// TestPostgresGoesAndComes kills the database under a server: what needs it is
// answered with 503, and all is well when it is back.
func TestPostgresGoesAndComes(t *testing.T) {
	pg := pgtest.Start(t)
	url := pg.Create(t, "orlop")
	s := testenv.Start(t, testenv.Options{Configure: func(c *config.Config) { c.Metadata = config.Metadata(url) }})
	if resp := pushIndex(t, s, "v1"); resp.StatusCode != http.StatusCreated {
		t.Fatal(resp.Status)
	}
	for round := range 2 {
		pg.Kill()
		if resp, body := s.Do(t, http.MethodGet, "/v2/app/manifests/v1", nil); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("pull: %s: %s", resp.Status, body)
		}
		if resp := pushIndex(t, s, "v2"); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("push: %s", resp.Status)
		}
		pg.Restart(t)
		came := time.Now()
		if resp := pushIndex(t, s, fmt.Sprintf("again%d", round)); resp.StatusCode != http.StatusCreated {
			t.Errorf("push when it was back: %s", resp.Status)
		}
		if resp, body := s.Do(t, http.MethodGet, "/v2/app/manifests/v1", nil); resp.StatusCode != http.StatusOK {
			t.Errorf("pull when it was back: %s: %s", resp.Status, body)
		}
		t.Logf("served %v after it was back", time.Since(came))
	}
}
