package testenv

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Liar is a registry that a client must not trust. By itself it is honest: it
// serves what a test gives it in every repository, and takes every push. A test
// replaces the answers that are to be lies. It remembers every request.
type Liar struct {
	Address string // HOST:PORT
	Scheme  string // http or https
	CAFile  string // its certificate, which nobody else has signed; "" without TLS

	mu        sync.Mutex // guards what follows
	blobs     map[digest.Digest][]byte
	manifests map[string]ocispec.Descriptor // by tag
	lies      []lie
	requests  []LiarRequest
}

// LiarOptions say how a Liar is to be. The zero value is on 127.0.0.1, by HTTP.
type LiarOptions struct {
	Host string // "" is 127.0.0.1
	TLS  bool
}

// LiarRequest is a request that a Liar got.
type LiarRequest struct {
	Method, Path string // the path with its query
	Header       http.Header
	Body         []byte // the first of it
}

// maxLiarBody is how much of the body of a request is remembered.
const maxLiarBody = 64 << 10

type lie struct {
	method, part string
	answer       http.HandlerFunc
}

// StartLiar starts a Liar and stops it at the end of the test.
func StartLiar(t testing.TB, o LiarOptions) *Liar {
	t.Helper()
	l := &Liar{Scheme: "http", blobs: map[digest.Digest][]byte{}, manifests: map[string]ocispec.Descriptor{}}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(l.serve))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that hangs up is the point
	if o.Host != "" {
		listener, err := net.Listen("tcp", net.JoinHostPort(o.Host, "0"))
		if err != nil {
			t.Fatalf("testenv: %v", err)
		}
		srv.Listener.Close()
		srv.Listener = listener
	}
	l.Address = srv.Listener.Addr().String()
	if o.TLS {
		srv.StartTLS()
		l.Scheme, l.CAFile = "https", filepath.Join(t.TempDir(), "ca.pem")
		raw := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
		if err := os.WriteFile(l.CAFile, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	} else {
		srv.Start()
	}
	t.Cleanup(func() {
		srv.CloseClientConnections() // of answers without an end
		srv.Close()
	})
	return l
}

// URL is the address of a path at the liar.
func (l *Liar) URL(path string) string { return l.Scheme + "://" + l.Address + path }

// On answers requests of a method ("" is every one) whose path contains part by
// answer instead of honestly. What was set last counts.
func (l *Liar) On(method, part string, answer http.HandlerFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lies = append(l.lies, lie{method, part, answer})
}

// Challenge makes the liar refuse every request under /v2/ that carries no
// Authorization, with this challenge.
func (l *Liar) Challenge(challenge string) {
	l.On("", "/v2/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			l.honest(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(http.StatusUnauthorized)
	})
}

// Requests returns the requests so far.
func (l *Liar) Requests() []LiarRequest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]LiarRequest(nil), l.requests...)
}

// AddBlob makes the liar serve a blob and returns its descriptor with a title;
// "" is none.
func (l *Liar) AddBlob(title string, content []byte) ocispec.Descriptor {
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromBytes(content), Size: int64(len(content))}
	if title != "" {
		desc.Annotations = map[string]string{ocispec.AnnotationTitle: title}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blobs[desc.Digest] = content
	return desc
}

// AddArtifact makes the liar serve a manifest of these layers by a tag.
func (l *Liar) AddArtifact(t testing.TB, tag string, layers ...ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	config := l.AddBlob("", []byte("{}"))
	config.MediaType = ocispec.MediaTypeEmptyJSON
	raw, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: "application/vnd.example", Config: config, Layers: layers,
	})
	if err != nil {
		t.Fatal(err)
	}
	return l.AddManifest(tag, ocispec.MediaTypeImageManifest, raw)
}

// AddManifest makes the liar serve bytes as a manifest, by a tag unless it is
// empty, and by their digest.
func (l *Liar) AddManifest(tag, mediaType string, raw []byte) ocispec.Descriptor {
	desc := l.AddBlob("", raw)
	desc.MediaType = mediaType
	l.mu.Lock()
	defer l.mu.Unlock()
	l.manifests[string(desc.Digest)] = desc
	if tag != "" {
		l.manifests[tag] = desc
	}
	return desc
}

func (l *Liar) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxLiarBody))
	l.mu.Lock()
	l.requests = append(l.requests, LiarRequest{r.Method, r.URL.RequestURI(), r.Header.Clone(), body})
	answer := l.honest
	for _, lie := range l.lies {
		if (lie.method == "" || lie.method == r.Method) && strings.Contains(r.URL.Path, lie.part) {
			answer = lie.answer
		}
	}
	l.mu.Unlock()
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
	answer(w, r)
}

// honest answers as a registry should.
func (l *Liar) honest(w http.ResponseWriter, r *http.Request) {
	at, name := splitLast(r.URL.Path)
	switch {
	case r.URL.Path == "/v2/":
		w.WriteHeader(http.StatusOK)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		l.content(w, r, at, name)
	case strings.HasSuffix(at, "/manifests"):
		raw, _ := io.ReadAll(r.Body)
		l.stored(w, r, fmt.Sprintf("sha256:%x", sha256.Sum256(raw)))
	case r.URL.Query().Has("digest"):
		_, _ = io.Copy(io.Discard, r.Body)
		l.stored(w, r, r.URL.Query().Get("digest"))
	default:
		w.Header().Set("Location", at+"/1")
		w.WriteHeader(http.StatusAccepted)
	}
}

func (l *Liar) stored(w http.ResponseWriter, r *http.Request, dgst string) {
	w.Header().Set("Docker-Content-Digest", dgst)
	w.Header().Set("Location", r.URL.Path+"/"+dgst)
	w.WriteHeader(http.StatusCreated)
}

// content serves a blob or manifest.
func (l *Liar) content(w http.ResponseWriter, r *http.Request, at, name string) {
	l.mu.Lock()
	desc := l.manifests[name]
	if strings.HasSuffix(at, "/blobs") {
		desc = ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.Digest(name)}
	}
	raw, ok := l.blobs[desc.Digest]
	l.mu.Unlock()
	if !ok {
		http.Error(w, `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", desc.MediaType)
	w.Header().Set("Docker-Content-Digest", string(desc.Digest))
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(raw)
	}
}

func splitLast(path string) (at, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:i], path[i+1:]
}
