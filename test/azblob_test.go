package test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/internal/testenv/aztest"
)

// TestAzureBlobStorage: a server whose content is in a container pushes, goes on
// with an upload after it was killed, and pulls, itself and by redirects.
func TestAzureBlobStorage(t *testing.T) {
	store := aztest.Start(t, aztest.Options{})
	c := store.Container(t)
	data := t.TempDir()
	start := func(args ...string) *testenv.Process {
		return testenv.StartProcess(t, testenv.ProcessOptions{Data: data, Args: append(args, "--blobs", c.URL()), Env: c.Env()})
	}
	p := start("--redirect=false")
	content := random(1, 9<<20+5)
	dgst := digest.FromBytes(content)
	path := "/v2/some/app/blobs/uploads/"
	resp, _ := p.Do(t, "POST", path, nil)
	location := resp.Header.Get("Location")
	resp, body := p.Do(t, "PATCH", location, bytes.NewReader(content[:5<<20]), "Content-Type", "application/octet-stream")
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("PATCH: %s: %s", resp.Status, body)
	}
	p.Kill()
	p = start("--redirect=false")
	resp, body = p.Do(t, "PATCH", location, bytes.NewReader(content[5<<20:]), "Content-Type", "application/octet-stream",
		"Content-Range", fmt.Sprintf("%d-%d", 5<<20, len(content)-1))
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("PATCH after the server was killed: %s: %s", resp.Status, body)
	}
	resp, body = p.Do(t, "PUT", withQuery(resp.Header.Get("Location"), "digest="+dgst.String()), nil)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("PUT: %s: %s", resp.Status, body)
	}
	blob := "/v2/some/app/blobs/" + dgst.String()
	if resp, body = p.Do(t, "GET", blob, nil); resp.StatusCode != http.StatusOK || !bytes.Equal(body, content) {
		t.Errorf("GET: %s, %d bytes", resp.Status, len(body))
	}
	resp, body = p.Do(t, "GET", blob, nil, "Range", "bytes=5000000-5000009")
	if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(body, content[5_000_000:5_000_010]) {
		t.Errorf("GET of a range: %s, %d bytes", resp.Status, len(body))
	}
	p.Kill()
	redirected(t, start("--redirect=true"), blob, content)
}

// redirected pulls a blob from the store itself.
func redirected(t *testing.T, p *testenv.Process, path string, content []byte) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(t.Context(), "GET", p.URL(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", testenv.AdminPassword)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	at := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusTemporaryRedirect || !strings.Contains(at, "sig=") {
		t.Fatalf("GET: %s to %q", resp.Status, at)
	}
	if resp, err = client.Get(at); err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("GET from the store: %s, %d bytes, %v", resp.Status, len(got), err)
	}
}
