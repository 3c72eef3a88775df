package test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/internal/testenv"
)

// The rows C8 and C9 of the threats to a client: content that is not what its
// digest says, and content that is far too much.

// say answers with a header and a body.
func say(header map[string]string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for k, v := range header {
			w.Header().Set(k, v)
		}
		_, _ = w.Write(body)
	}
}

// endless answers without an end.
func endless(piece string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		more := []byte(strings.Repeat(piece, 1+64<<10/len(piece)))
		for r.Method != http.MethodHead {
			if _, err := w.Write(more); err != nil {
				return
			}
		}
	}
}

// TestLyingBodies (C8): no wrong content gets a name.
func TestLyingBodies(t *testing.T) {
	content := random(8, 3<<20)
	wrong := bytes.Clone(content)
	wrong[len(wrong)/2] ^= 1
	length := strconv.Itoa(len(content))
	for name, blob := range map[string]http.HandlerFunc{
		"wrong byte":      say(nil, wrong),
		"wrong last byte": say(nil, append(content[:len(content)-1:len(content)-1], content[len(content)-1]^1)),
		"short":           say(nil, content[:len(content)-1]),
		"cut":             say(map[string]string{"Content-Length": length}, content[:len(content)/2]),
		"empty":           say(nil, nil),
		"long":            say(nil, append(bytes.Clone(content), 'x')),
		"endless":         endless("x"),
		"partial content": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 1-"+length+"/"+length)
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(content)
		},
		"another blob": say(nil, random(9, len(content))),
		"wrong header": say(map[string]string{"Docker-Content-Digest": string(digest.FromBytes(wrong))}, wrong),
		"compressed":   say(map[string]string{"Content-Encoding": "gzip"}, zipped(t, content)),
	} {
		t.Run(name, func(t *testing.T) {
			registry := testenv.StartLiar(t, testenv.LiarOptions{})
			registry.AddArtifact(t, "v1", registry.AddBlob("f", content))
			registry.On("", "/blobs/"+string(digest.FromBytes(content)), blob)
			for _, args := range [][]string{
				{"pull", registry.Address + "/a:v1"},
				{"blob", "fetch", "-o", "f", registry.Address + "/a@" + string(digest.FromBytes(content))},
				{"cp", registry.Address + "/a:v1", "--to-oci-layout", "layout:v1"},
			} {
				client := newClient(t)
				got := client.run(args...)
				if got.code != 1 || !strings.HasPrefix(got.stderr, "Error") {
					t.Errorf("%s: exit %d: %s", args[0], got.code, got.stderr)
				}
				for file, written := range client.files() {
					if file == "f" || strings.HasSuffix(file, digest.FromBytes(content).Encoded()) || strings.Contains(written, `"v1"`) {
						t.Errorf("%s left %s of %d bytes", args[0], file, len(written))
					}
				}
				if name != "cut" && name != "short" && name != "empty" && len(client.leftovers()) > 0 { // those can be gone on with
					t.Errorf("%s left %v", args[0], client.leftovers())
				}
			}
		})
	}
}

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestLyingManifests (C8): a digest that the user has named, or that another
// manifest names, is checked.
func TestLyingManifests(t *testing.T) {
	start := func(t *testing.T) (registry *testenv.Liar, good, other ocispec.Descriptor) {
		registry = testenv.StartLiar(t, testenv.LiarOptions{})
		good = registry.AddArtifact(t, "v1", registry.AddBlob("f", []byte("good")))
		other = registry.AddArtifact(t, "v2", registry.AddBlob("f", []byte("other")))
		return registry, good, other
	}
	t.Run("another for a digest", func(t *testing.T) {
		registry, good, _ := start(t)
		registry.On("", "/manifests/"+string(good.Digest), func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, registry.URL("/v2/a/manifests/v2"), http.StatusTemporaryRedirect)
		})
		client := newClient(t)
		for _, args := range [][]string{
			{"pull"}, {"resolve"}, {"manifest", "fetch"}, {"cp", "--to-oci-layout"},
		} {
			args = append(args, registry.Address+"/a@"+string(good.Digest))
			if args[0] == "cp" {
				args = append(args, "layout:v1")
			}
			got := client.run(args...)
			if got.code != 1 || strings.Contains(got.stdout, "other") {
				t.Errorf("%v: exit %d: %s%s", args, got.code, got.stdout, got.stderr)
			}
			if client.files()["f"] != "" {
				t.Errorf("%v wrote a file", args)
			}
		}
	})
	t.Run("a header that lies", func(t *testing.T) {
		registry, good, other := start(t)
		raw := `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageManifest + `"}`
		registry.On("", "/manifests/v1", say(map[string]string{
			"Docker-Content-Digest": string(good.Digest), "Content-Type": ocispec.MediaTypeImageManifest,
		}, []byte(raw)))
		registry.On(http.MethodGet, "/manifests/"+string(good.Digest), say(map[string]string{
			"Docker-Content-Digest": string(good.Digest), "Content-Type": other.MediaType,
		}, []byte(raw)))
		client := newClient(t)
		if got := client.run("pull", registry.Address+"/a:v1"); got.code != 1 {
			t.Errorf("exit %d: %s%s", got.code, got.stdout, got.stderr)
		}
	})
}

// most is how much memory a process may take whatever a registry sends. It is
// more than is needed, for the race detector and the collector of garbage need
// theirs.
const most = 300 << 20

// TestBombs (C9): a registry that sends far too much ends the command, and
// does not fill memory or disk.
func TestBombs(t *testing.T) {
	manifest := map[string]string{"Content-Type": ocispec.MediaTypeImageManifest}
	index := map[string]string{"Content-Type": ocispec.MediaTypeImageIndex}
	layer := func(size string) []byte {
		return fmt.Appendf(nil, `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[`+
			`{"mediaType":"a/b","digest":"%s","size":%s,"annotations":{"org.opencontainers.image.title":"f"}}]}`,
			digest.FromString("{}"), digest.FromString("x"), size)
	}
	for name, c := range map[string]struct {
		set  func(registry *testenv.Liar)
		args []string // {} is the registry; default: pull {}/a:v1
	}{
		"endless manifest":  {func(l *testenv.Liar) { l.On("GET", "/manifests/", endless("x")) }, nil},
		"300 MiB manifest":  {func(l *testenv.Liar) { l.On("GET", "/manifests/", say(manifest, make([]byte, 300<<20))) }, nil},
		"size of 2^62":      {func(l *testenv.Liar) { l.On("", "/manifests/", say(manifest, layer("4611686018427387904"))) }, nil},
		"size of -1":        {func(l *testenv.Liar) { l.On("", "/manifests/", say(manifest, layer("-1"))) }, nil},
		"size of 1e400":     {func(l *testenv.Liar) { l.On("", "/manifests/", say(manifest, layer("1e400"))) }, nil},
		"nested JSON":       {func(l *testenv.Liar) { l.On("", "/manifests/", say(manifest, bytes.Repeat([]byte("["), 1_000_000))) }, nil},
		"wide index":        {func(l *testenv.Liar) { l.On("", "/manifests/", say(index, wideIndex())) }, nil},
		"deep index":        {func(l *testenv.Liar) { deepIndex(l, 3000) }, nil},
		"deep index copied": {func(l *testenv.Liar) { deepIndex(l, 3000) }, []string{"cp", "{}/a:v1", "--to-oci-layout", "layout:v1"}},
		"zipped manifest": {func(l *testenv.Liar) {
			l.On("", "/manifests/", say(map[string]string{"Content-Type": ocispec.MediaTypeImageManifest, "Content-Encoding": "gzip"}, bomb(t)))
		}, nil},
		"large token": {func(l *testenv.Liar) {
			l.Challenge(fmt.Sprintf(`Bearer realm=%q`, l.URL("/token")))
			l.On("", "/token", say(nil, []byte(`{"token":"`+strings.Repeat("t", 100<<20)+`"}`)))
		}, nil},
		"large error": {func(l *testenv.Liar) {
			l.On("", "/manifests/", func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				endless("x")(w, r)
			})
		}, nil},
		"endless refusal": {func(l *testenv.Liar) {
			n := 0
			l.On("", "/v2/", func(w http.ResponseWriter, r *http.Request) {
				n++
				w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,scope="repository:a%d:pull"`, l.URL("/token"), n))
				w.WriteHeader(http.StatusUnauthorized)
			})
			l.On("", "/token", say(nil, []byte(`{"token":"t"}`)))
		}, nil},
		"endless list": {func(l *testenv.Liar) {
			l.On("", "/tags/list", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Link", `</v2/a/tags/list?n=1&last=x>; rel="next"`)
				fmt.Fprint(w, `{"tags":["x"]}`)
			})
		}, []string{"repo", "tags", "{}/a"}},
		"endless redirects": {func(l *testenv.Liar) {
			l.On("", "/manifests/", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
			})
		}, nil},
		"endless referrers": {func(l *testenv.Liar) {
			l.AddArtifact(t, "v1", l.AddBlob("f", []byte("f")))
			n := 0
			l.On("", "/referrers/", func(w http.ResponseWriter, r *http.Request) {
				n++
				w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
				fmt.Fprintf(w, `{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":2}]}`,
					ocispec.MediaTypeImageManifest, digest.FromString(strconv.Itoa(n)))
			})
		}, []string{"discover", "{}/a:v1", "--depth", "200000"}},
	} {
		t.Run(name, func(t *testing.T) {
			registry := testenv.StartLiar(t, testenv.LiarOptions{})
			c.set(registry)
			args := []string{"pull", registry.Address + "/a:v1"}
			if c.args != nil {
				args = strings.Split(strings.ReplaceAll(strings.Join(c.args, "\n"), "{}", registry.Address), "\n")
			}
			client := newClient(t)
			got := client.run(args...)
			if got.code == 0 || got.code == 2 || !strings.HasPrefix(got.stderr, "Error") || strings.Contains(got.stderr, "goroutine") {
				t.Errorf("exit %d: %.2000s", got.code, got.stderr)
			}
			if got.peak > most {
				t.Errorf("it took %d MiB", got.peak>>20)
			}
			if len(got.stderr) > 4<<10 {
				t.Errorf("the error has %d bytes", len(got.stderr))
			}
			if client.files()["f"] != "" {
				t.Error("a file is left")
			}
		})
	}
}

// wideIndex is an index of more manifests than fit.
func wideIndex() []byte {
	entry := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":2},`, ocispec.MediaTypeImageManifest, digest.FromString("x"))
	return []byte(`{"schemaVersion":2,"manifests":[` + strings.TrimSuffix(strings.Repeat(entry, 1<<20), ",") + `]}`)
}

// deepIndex makes a registry serve an index of an index of an index …
func deepIndex(l *testenv.Liar, depth int) {
	inner := l.AddManifest("", ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[]}`))
	for i := range depth {
		tag := ""
		if i == depth-1 {
			tag = "v1"
		}
		inner = l.AddManifest(tag, ocispec.MediaTypeImageIndex, fmt.Appendf(nil,
			`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, inner.MediaType, inner.Digest, inner.Size))
	}
}

// bomb is a gigabyte of zeros, compressed.
func bomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.CopyN(w, zeros{}, 1<<30); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zeros are zeros without an end.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
