package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/internal/testenv"
)

// referrersOf answers with a list of referrers.
func referrersOf(manifests ...ocispec.Descriptor) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		_ = json.NewEncoder(w).Encode(ocispec.Index{Manifests: manifests})
	}
}

// raw matches what must not reach a terminal.
var raw = regexp.MustCompile("[\x00-\x09\x0b-\x1f\u009b\u202e\u2028]")

func TestDiscoverEscapes(t *testing.T) {
	liar := testenv.StartLiar(t, testenv.LiarOptions{})
	root := liar.AddArtifact(t, "1", liar.AddBlob("a", []byte("a")))
	evil := "\x1b[2J\r\u202e\u009b31m\u2028"
	liar.On("GET", "/referrers/"+string(root.Digest), referrersOf(ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 1, ArtifactType: "type" + evil,
		Annotations: map[string]string{"key" + evil: "value" + evil + "\n└── forged", "z": "\x00"},
	}))
	liar.On("GET", "/referrers/"+string(digest.FromString("x")), referrersOf())
	for _, format := range []string{"tree", "table", "json"} {
		env := testEnv(t)
		env.StdoutTTY = true
		code, stdout, stderr := run(t, t.Context(), env, "discover", liar.Address+"/x:1", "--format", format, "--no-tty")
		if code != 0 {
			t.Fatalf("%s: exit code %d: %s", format, code, stderr)
		}
		if format != "json" && raw.MatchString(stdout+stderr) {
			t.Errorf("%s: output is %q", format, stdout+stderr)
		}
		if !strings.Contains(stdout, "type") || strings.Contains(stdout, "\n└── forged") {
			t.Errorf("%s: output is %q", format, stdout)
		}
	}
}

func TestDiscoverColours(t *testing.T) {
	liar := testenv.StartLiar(t, testenv.LiarOptions{})
	root := liar.AddArtifact(t, "1", liar.AddBlob("a", []byte("a")))
	liar.On("GET", "/referrers/", referrersOf())
	for _, tt := range []struct {
		tty     bool
		noColor string
		flags   []string
		want    bool
	}{{true, "", nil, true}, {false, "", nil, false}, {true, "1", nil, false}, {true, "", []string{"--no-tty"}, false}} {
		env := testEnv(t)
		env.StdoutTTY = tt.tty
		env.Getenv = func(name string) string { return map[string]string{"NO_COLOR": tt.noColor}[name] }
		_, stdout, stderr := run(t, t.Context(), env, append([]string{"discover", liar.Address + "/x:1"}, tt.flags...)...)
		if !strings.Contains(stdout, string(root.Digest)) || strings.Contains(stdout, "\x1b[32m") != tt.want {
			t.Errorf("%+v: output is %q, errors %q", tt, stdout, stderr)
		}
	}
}

// Referrers without end, and in a circle.
func TestDiscoverBounds(t *testing.T) {
	liar := testenv.StartLiar(t, testenv.LiarOptions{})
	root := liar.AddArtifact(t, "1", liar.AddBlob("a", []byte("a")))
	liar.On("GET", "/referrers/", referrersOf(root, ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 1,
	}))
	code, stdout, stderr := run(t, t.Context(), testEnv(t), "discover", liar.Address+"/x:1")
	if code != 0 || strings.Count(stdout, "sha256:") != 2 {
		t.Errorf("in a circle: exit code %d, output %s%s", code, stdout, stderr)
	}
	page := 0
	liar.On("GET", "/referrers/", func(w http.ResponseWriter, r *http.Request) {
		page++
		w.Header().Set("Link", fmt.Sprintf(`<%s?page=%d>; rel="next"`, r.URL.Path, page))
		var many []ocispec.Descriptor
		for i := range 10_000 {
			many = append(many, ocispec.Descriptor{
				MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(fmt.Sprint(page, i)), Size: 1,
			})
		}
		referrersOf(many...)(w, r)
	})
	code, stdout, stderr = run(t, t.Context(), testEnv(t), "discover", liar.Address+"/x:1")
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, "too large") {
		t.Errorf("without end: exit code %d, output %.200s, errors %s", code, stdout, stderr)
	}
}

// A chain of referrers without end, each of which has one of its own.
func TestDiscoverChain(t *testing.T) {
	liar := testenv.StartLiar(t, testenv.LiarOptions{})
	liar.AddArtifact(t, "1", liar.AddBlob("a", []byte("a")))
	liar.On("GET", "/referrers/", func(w http.ResponseWriter, r *http.Request) {
		referrersOf(ocispec.Descriptor{
			MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(r.URL.Path), Size: 1,
		})(w, r)
	})
	code, stdout, stderr := run(t, t.Context(), testEnv(t), "discover", liar.Address+"/x:1")
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, "deeper than 500 levels") || !strings.Contains(stderr, "Hint: show less with --depth") {
		t.Errorf("exit code %d, output %.200s, errors %s", code, stdout, stderr)
	}
	code, stdout, stderr = run(t, t.Context(), testEnv(t), "discover", liar.Address+"/x:1", "--depth", "3")
	if code != 0 || strings.Count(stdout, "sha256:") != 4 {
		t.Errorf("exit code %d, output %s, errors %s", code, stdout, stderr)
	}
}

// A list that is none, or names what is no digest, is an error.
func TestDiscoverRefuses(t *testing.T) {
	for name, answer := range map[string]string{
		"no JSON":     "<html>",
		"no digest":   `{"manifests":[{"digest":"../../etc/passwd","size":1}]}`,
		"a bad size":  `{"manifests":[{"digest":"` + string(digest.FromString("x")) + `","size":-1}]}`,
		"another one": `{"manifests":{}}`,
	} {
		liar := testenv.StartLiar(t, testenv.LiarOptions{})
		liar.AddArtifact(t, "1", liar.AddBlob("a", []byte("a")))
		liar.On("GET", "/referrers/", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
			_, _ = io.WriteString(w, answer)
		})
		code, stdout, stderr := run(t, t.Context(), testEnv(t), "discover", liar.Address+"/x:1")
		if code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, "Error") {
			t.Errorf("%s: exit code %d, output %q, errors %q", name, code, stdout, stderr)
		}
	}
}

// A registry that gives another manifest than it was asked for gets nothing
// attached, indexed or tagged.
func TestSwappedManifest(t *testing.T) {
	for _, args := range [][]string{
		{"tag", "@", "new"},
		{"manifest", "index", "create", "HOST/x:new", "DIGEST"},
		{"manifest", "index", "update", "@", "--artifact-type", "x/y"},
		{"attach", "@", "--artifact-type", "x/y", "-a", "a=b", "--platform", "linux/amd64"},
	} {
		liar := testenv.StartLiar(t, testenv.LiarOptions{})
		good := liar.AddArtifact(t, "1", liar.AddBlob("a", []byte("a")))
		bad := liar.AddArtifact(t, "2", liar.AddBlob("b", []byte("b")))
		liar.On("GET", "/manifests/"+string(good.Digest), func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, liar.URL("/v2/x/manifests/"+string(bad.Digest)), http.StatusTemporaryRedirect)
		})
		line := make([]string, len(args))
		for i, a := range args {
			line[i] = strings.NewReplacer("@", "HOST/x@DIGEST").Replace(a)
			line[i] = strings.NewReplacer("HOST", liar.Address, "DIGEST", string(good.Digest)).Replace(line[i])
		}
		code, _, stderr := run(t, t.Context(), testEnv(t), line...)
		if code != exitFailed || !strings.Contains(stderr, "damaged") {
			t.Errorf("%v: exit code %d, errors %s", args, code, stderr)
		}
		for _, r := range liar.Requests() {
			if r.Method == http.MethodPut {
				t.Errorf("%v: something was pushed to %s", args, r.Path)
			}
		}
	}
}

// Many registries cannot remove a tag alone, and say so in several ways.
func TestUntagUnsupported(t *testing.T) {
	for _, tt := range []struct {
		status int
		code   string
		hint   bool
	}{
		{http.StatusMethodNotAllowed, "UNSUPPORTED", true},
		{http.StatusBadRequest, "UNSUPPORTED", true},
		{http.StatusBadRequest, "DIGEST_INVALID", true},
		{http.StatusMethodNotAllowed, "", true},
		{http.StatusNotFound, "MANIFEST_UNKNOWN", false},
		{http.StatusForbidden, "DENIED", false},
	} {
		liar := testenv.StartLiar(t, testenv.LiarOptions{})
		liar.AddArtifact(t, "1", liar.AddBlob("a", []byte("a")))
		liar.On("DELETE", "/manifests/1", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(tt.status)
			if tt.code != "" {
				fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"no"}]}`, tt.code)
			}
		})
		code, stdout, stderr := run(t, t.Context(), testEnv(t), "untag", liar.Address+"/x:1")
		hint := strings.Contains(stderr, "Hint: this registry cannot remove a tag alone; ")
		if code == 0 || stdout != "" || hint != tt.hint {
			t.Errorf("%d %s: exit code %d, output %q, errors %s", tt.status, tt.code, code, stdout, stderr)
		}
	}
}

// What cannot be written makes a command fail, whatever it did.
func TestResultsOnFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full")
	}
	defer full.Close()
	liar := testenv.StartLiar(t, testenv.LiarOptions{})
	liar.AddArtifact(t, "1", liar.AddBlob("a", []byte("a")))
	liar.On("GET", "/referrers/", referrersOf())
	for _, args := range [][]string{
		{"discover", "HOST/x:1"},
		{"discover", "HOST/x:1", "--format", "json"},
		{"tag", "HOST/x:1", "2"},
		{"resolve", "HOST/x:1", "--format", "json"},
		{"attach", "HOST/x:1", "--artifact-type", "x/y", "-a", "a=b"},
		{"manifest", "index", "create", "HOST/x", "1"},
		{"manifest", "index", "create", "HOST/x", "1", "-o", "-"},
		{"manifest", "index", "create", "HOST/x", "1", "-o", "/dev/full"},
	} {
		env := testEnv(t)
		var stderr strings.Builder
		env.Args, env.Stdin, env.Stdout, env.Stderr = []string{"orlop"}, strings.NewReader(""), full, &stderr
		for _, a := range args {
			env.Args = append(env.Args, strings.Replace(a, "HOST", liar.Address, 1))
		}
		if code := Run(t.Context(), env); code != exitFailed || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%v: exit code %d, errors %s", args, code, stderr.String())
		}
	}
}
