package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/layout"
)

// artifacts is an image layout, lay, in the working directory of the test, to
// pull strange artifacts from.
type artifacts struct {
	t   *testing.T
	reg orlop.Registry
}

func newArtifacts(t *testing.T) artifacts {
	t.Helper()
	t.Chdir(t.TempDir())
	reg, err := layout.Create("lay")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	return artifacts{t, reg}
}

// blob pushes content; title may be empty.
func (a artifacts) blob(content, title string) ocispec.Descriptor {
	a.t.Helper()
	d := ocispec.Descriptor{MediaType: "text/plain", Digest: digest.FromString(content), Size: int64(len(content))}
	if err := a.reg.PushBlob(a.t.Context(), "", d, strings.NewReader(content)); err != nil {
		a.t.Fatal(err)
	}
	if title != "" {
		d.Annotations = map[string]string{ocispec.AnnotationTitle: title}
	}
	return d
}

func (a artifacts) push(v any, mediaType string, tags ...string) ocispec.Descriptor {
	a.t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		a.t.Fatal(err)
	}
	d, err := a.reg.PushManifest(a.t.Context(), "", mediaType, raw, tags...)
	if err != nil {
		a.t.Fatal(err)
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d.Digest, Size: d.Size}
}

// manifest pushes a manifest of these layers.
func (a artifacts) manifest(subject *ocispec.Descriptor, layers []ocispec.Descriptor, tags ...string) ocispec.Descriptor {
	a.t.Helper()
	config := a.blob("{}", "")
	config.MediaType = ocispec.MediaTypeEmptyJSON
	return a.push(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: "application/x-test", Config: config, Layers: layers, Subject: subject,
	}, ocispec.MediaTypeImageManifest, tags...)
}

func (a artifacts) index(tag string, manifests ...ocispec.Descriptor) ocispec.Descriptor {
	a.t.Helper()
	return a.push(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests,
	}, ocispec.MediaTypeImageIndex, tag)
}

func (a artifacts) pull(args ...string) (code int, stdout, stderr string) {
	a.t.Helper()
	return run(a.t, a.t.Context(), testEnv(a.t), append([]string{"pull", "--oci-layout", "-o", "out"}, args...)...)
}

func (a artifacts) wantFile(name, content string) {
	a.t.Helper()
	got, err := os.ReadFile(filepath.Join("out", name))
	if err != nil || string(got) != content {
		a.t.Errorf("%s is %q, %v, want %q", name, got, err, content)
	}
}

func TestPullIndex(t *testing.T) {
	a := newArtifacts(t)
	amd := a.manifest(nil, []ocispec.Descriptor{a.blob("amd64", "tool"), a.blob("notes", "notes.txt")})
	arm := a.manifest(nil, []ocispec.Descriptor{a.blob("arm64", "tool"), a.blob("notes", "notes.txt")})
	amd.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	arm.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	a.index("all", amd, arm)
	a.index("one", arm)

	code, stdout, stderr := a.pull("lay:all")
	if code != exitFailed || !strings.Contains(stderr, "several files have the same name: tool\nHint: choose one platform") {
		t.Errorf("both platforms: exit code %d, errors %q", code, stderr)
	}
	if _, err := os.Stat("out/notes.txt"); err == nil {
		t.Errorf("files were written although not all can be: %s", stdout)
	}
	if code, _, stderr := a.pull("lay:all", "--platform", "linux/arm64"); code != 0 {
		t.Fatalf("one platform: exit code %d, errors %q", code, stderr)
	}
	a.wantFile("tool", "arm64")
	code, _, stderr = a.pull("lay:all", "--platform", "plan9/mips")
	if code != exitFailed || !strings.Contains(stderr, "Hint: choose one of: linux/amd64, linux/arm64/v8") {
		t.Errorf("absent platform: exit code %d, errors %q", code, stderr)
	}
	if code, _, stderr := a.pull("lay:one"); code != 0 {
		t.Errorf("index of one: exit code %d, errors %q", code, stderr)
	}
	if code, _, _ := a.pull("lay:one", "--platform", "linux/amd64"); code != exitFailed {
		t.Errorf("platform that a single index lacks: exit code %d", code)
	}
}

func TestPullWithoutNames(t *testing.T) {
	a := newArtifacts(t)
	a.manifest(nil, []ocispec.Descriptor{a.blob("named", "a.txt"), a.blob("nameless", "")}, "mixed")
	code, stdout, _ := a.pull("lay:mixed")
	if code != 0 || !strings.Contains(stdout, "Skipped     "+digest.FromString("nameless").Encoded()[:12]+" text/plain\n") ||
		!strings.HasSuffix(stdout, "\nSkipped pulling layers without file name in \"org.opencontainers.image.title\"\n"+
			"Use 'orlop copy lay:mixed --to-oci-layout <layout-dir>' to pull all layers.\n") {
		t.Errorf("exit code %d, output\n%s", code, stdout)
	}
	a.wantFile("a.txt", "named")
}

func TestPullSubject(t *testing.T) {
	a := newArtifacts(t)
	subject := a.manifest(nil, []ocispec.Descriptor{a.blob("the thing", "thing.txt")})
	a.manifest(&subject, []ocispec.Descriptor{a.blob("about it", "sbom.txt")}, "sbom")
	if code, _, stderr := a.pull("lay:sbom"); code != 0 {
		t.Fatalf("exit code %d, errors %q", code, stderr)
	}
	if _, err := os.Stat("out/thing.txt"); err == nil {
		t.Error("the subject was pulled unasked")
	}
	if code, _, stderr := a.pull("lay:sbom", "--include-subject"); code != 0 {
		t.Fatalf("exit code %d, errors %q", code, stderr)
	}
	a.wantFile("sbom.txt", "about it")
	a.wantFile("thing.txt", "the thing")
}

func TestPullStaysInside(t *testing.T) {
	a := newArtifacts(t)
	for i, title := range []string{"../evil.txt", "/tmp/orlop-evil.txt", "a/../../evil.txt"} {
		tag := "evil" + string(rune('0'+i))
		a.manifest(nil, []ocispec.Descriptor{a.blob("evil", title)}, tag)
		code, _, stderr := a.pull("lay:" + tag)
		if code != exitFailed || !strings.HasPrefix(stderr, "Error: ") {
			t.Errorf("%s: exit code %d, errors %q", title, code, stderr)
		}
	}
	for _, path := range []string{"evil.txt", "/tmp/orlop-evil.txt"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s was written", path)
		}
	}
}

func TestPullEscapesNames(t *testing.T) {
	a := newArtifacts(t)
	a.manifest(nil, []ocispec.Descriptor{a.blob("x", "a\u202etxt.exe")}, "bidi")
	code, stdout, stderr := a.pull("lay:bidi")
	if bytes.ContainsRune([]byte(stdout+stderr), '\u202e') {
		t.Errorf("exit code %d: the name reached the terminal:\n%s%s", code, stdout, stderr)
	}
}

// TestPullMany: an index that leads to very many manifests ends in an error.
func TestPullMany(t *testing.T) {
	c := newCollector(&target{typed: "x"}, nil)
	nodes := make([]node, maxManifests+1)
	for i := range nodes {
		nodes[i].desc.Digest = digest.FromString(strconv.Itoa(i))
	}
	if _, err := c.unseen(nodes); err == nil || !strings.Contains(err.Error(), "more than 10000") {
		t.Errorf("got %v", err)
	}
}

// TestPullDeep: indexes in indexes end in an error too.
func TestPullDeep(t *testing.T) {
	a := newArtifacts(t)
	d := a.manifest(nil, []ocispec.Descriptor{a.blob("x", "x.txt")})
	for i := range maxDepth + 2 {
		if i == maxDepth-2 {
			a.index("deep", d)
		}
		d = a.index("deeper", d)
	}
	if code, _, stderr := a.pull("lay:deep"); code != 0 {
		t.Errorf("exit code %d, errors %q", code, stderr)
	}
	if code, _, stderr := a.pull("lay:deeper"); code != exitFailed || !strings.Contains(stderr, "more than 64 deep") {
		t.Errorf("exit code %d, errors %q", code, stderr)
	}
}

// TestPullReferrersStayInside: the files of a referrer cannot leave its folder,
// also not for that of the artifact.
func TestPullReferrersStayInside(t *testing.T) {
	a := newArtifacts(t)
	subject := a.manifest(nil, []ocispec.Descriptor{a.blob("the thing", "thing.txt")}, "1")
	for _, title := range []string{"../../thing.txt", "/tmp/thing.txt", "..", "x/../../../y"} {
		r := a.manifest(&subject, []ocispec.Descriptor{a.blob("evil", title)})
		code, _, stderr := a.pull("lay:1", "--include-referrers")
		if code != exitFailed || !strings.Contains(stderr, "leads out of the folder of the referrer") {
			t.Errorf("%s: exit code %d, errors %q", title, code, stderr)
		}
		if _, err := os.Stat("out"); err == nil {
			t.Errorf("%s: something was written", title)
		}
		if err := a.reg.DeleteManifest(t.Context(), "", r.Digest); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPullReferrersOfIndex: those of the manifests of an index come too, each
// once, and so do those with packed directories.
func TestPullReferrersOfIndex(t *testing.T) {
	a := newArtifacts(t)
	child := a.manifest(nil, []ocispec.Descriptor{a.blob("the thing", "thing.txt")})
	root := a.index("all", child, child)
	x := a.manifest(&child, []ocispec.Descriptor{a.blob("of the child", "x.txt")})
	y := a.manifest(&root, []ocispec.Descriptor{a.blob("of the index", "x.txt")})
	if code, _, stderr := a.pull("lay:all", "--include-referrers"); code != 0 {
		t.Fatalf("exit code %d, errors %q", code, stderr)
	}
	a.wantFile("thing.txt", "the thing")
	a.wantFile(referrerDir(x.Digest)+"/x.txt", "of the child")
	a.wantFile(referrerDir(y.Digest)+"/x.txt", "of the index")
}

// TestPullToStdout: damage is told, whatever has been written by then.
func TestPullToStdout(t *testing.T) {
	a := newArtifacts(t)
	content := strings.Repeat("good content ", 100_000)
	d := a.blob(content, "a.txt")
	a.manifest(nil, []ocispec.Descriptor{d}, "1")
	stdout := func() (int, string, string) {
		return run(t, t.Context(), testEnv(t), "pull", "--oci-layout", "-o", "-", "lay:1")
	}
	if code, out, stderr := stdout(); code != 0 || out != content || stderr != "" {
		t.Errorf("exit code %d, %d bytes, errors %q", code, len(out), stderr)
	}
	path := filepath.Join("lay", "blobs", "sha256", d.Digest.Encoded())
	for name, bad := range map[string]string{
		"other": strings.Repeat("evil content ", 100_000), "short": content[:1000], "long": content + "more", "empty": "",
	} {
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		write(t, path, bad)
		code, out, stderr := stdout()
		if code != exitFailed || out == content || !strings.Contains(stderr, "Error: ") {
			t.Errorf("%s: exit code %d, %d bytes, errors %q", name, code, len(out), stderr)
		}
	}
	env := testEnv(t)
	write(t, path, content)
	env.Args = []string{"orlop", "pull", "--oci-layout", "-o", "-", "lay:1"}
	env.Stdin, env.Stdout, env.Stderr = strings.NewReader(""), lost{}, new(bytes.Buffer)
	if code := Run(t.Context(), env); code != exitFailed {
		t.Errorf("full disk: exit code %d", code)
	}
}

// TestPullHugeManifests: manifests that would fill the memory are refused.
func TestPullHugeManifests(t *testing.T) {
	c := newCollector(&target{typed: "x"}, output.NewProgress(output.ProgressOptions{}))
	c.bytes = maxManifestBytes
	if _, err := c.add(node{}, orlop.Manifest{Raw: []byte("{}")}); err == nil || !strings.Contains(err.Error(), "more than 32 MiB") {
		t.Errorf("got %v", err)
	}
}
