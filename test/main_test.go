// Package test drives whole servers: what a person, a cut line, a full disk or
// a crash would do to one. Tests of single packages are beside the packages.
package test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/internal/testenv/pgtest"
	"github.com/orlop/orlop/internal/testenv/s3test"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	s3test.Stop()
	testenv.RemoveBinaries()
	os.Exit(code)
}

// need skips a test that cannot run here, for the reason given. In CI that is a
// failure: what is tested there must be there.
func need(t *testing.T, ok bool, reason string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("CI") == "true":
		t.Fatalf("must run in CI: %s", reason)
	default:
		t.Skip(reason)
	}
}

// api speaks to a server as the user admin. It may be used concurrently, unlike
// testenv's methods, and reports errors instead of ending the test.
type api struct {
	url    string
	client *http.Client
}

func newAPI(t *testing.T, s *testenv.Server) *api {
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(transport.CloseIdleConnections)
	return &api{url: s.URL(""), client: &http.Client{Transport: transport}}
}

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *api) do(ctx context.Context, method, path string, body io.Reader, header ...string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.SetBasicAuth("admin", testenv.AdminPassword)
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return &answer{resp.StatusCode, resp.Header, raw}, err
}

// pushBlob pushes content in one request; nil means it was acknowledged.
func (a *api) pushBlob(ctx context.Context, repo string, content []byte) error {
	path := fmt.Sprintf("/v2/%s/blobs/uploads/?digest=%s", repo, digest.FromBytes(content))
	return a.created(ctx, http.MethodPost, path, content, "application/octet-stream")
}

// pushManifest pushes a manifest by tag; nil means it was acknowledged.
func (a *api) pushManifest(ctx context.Context, repo, tag string, raw []byte) error {
	return a.created(ctx, http.MethodPut, "/v2/"+repo+"/manifests/"+tag, raw, "application/vnd.oci.image.manifest.v1+json")
}

func (a *api) created(ctx context.Context, method, path string, content []byte, mediaType string) error {
	ans, err := a.do(ctx, method, path, bytes.NewReader(content), "Content-Type", mediaType)
	if err != nil {
		return err
	}
	if ans.status != http.StatusCreated {
		return &statusError{method + " " + path, ans}
	}
	return nil
}

// statusError is an answer other than the one hoped for.
type statusError struct {
	request string
	*answer
}

func (e *statusError) Error() string { return fmt.Sprintf("%s: %d: %s", e.request, e.status, e.body) }

// random returns n bytes that follow from seed.
func random(seed uint64, n int) []byte {
	content := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24), byte(seed >> 32)})
	_, _ = src.Read(content) // never fails
	return content
}
