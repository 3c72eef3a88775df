package testenv

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// client returns a client that trusts the server and follows no redirect.
func (s *Server) client(t testing.TB) *http.Client {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http == nil {
		s.http = s.newClient(t)
	}
	return s.http
}

func (s *Server) newClient(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	if s.CAFile != "" {
		raw, err := os.ReadFile(s.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(raw)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// PushBlob pushes a blob in one request.
func (s *Server) PushBlob(t testing.TB, repo string, content []byte) ocispec.Descriptor {
	t.Helper()
	dgst := digest.FromBytes(content)
	resp, body := s.Do(t, "POST", "/v2/"+repo+"/blobs/uploads/?digest="+dgst.String(), bytes.NewReader(content),
		"Content-Type", "application/octet-stream")
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("push blob: %s: %s", resp.Status, body)
	}
	return ocispec.Descriptor{MediaType: "application/octet-stream", Digest: dgst, Size: int64(len(content))}
}

// PushArtifact pushes content as an artifact of one layer and tags it.
func (s *Server) PushArtifact(t testing.TB, repo, tag string, content []byte) ocispec.Descriptor {
	t.Helper()
	raw := s.manifest(t, s.PushBlob(t, repo, []byte("{}")), s.PushBlob(t, repo, content))
	resp, body := s.Do(t, "PUT", "/v2/"+repo+"/manifests/"+tag, bytes.NewReader(raw), "Content-Type", ocispec.MediaTypeImageManifest)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("push manifest: %s: %s", resp.Status, body)
	}
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
}

func (s *Server) manifest(t testing.TB, config, layer ocispec.Descriptor) []byte {
	t.Helper()
	config.MediaType = "application/vnd.unknown.config.v1+json"
	raw, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: config, Layers: []ocispec.Descriptor{layer},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
