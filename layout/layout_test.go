package layout_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/memory"
	"github.com/orlop/orlop/registrytest"
)

func TestRegistry(t *testing.T) {
	registrytest.Run(t, func(t *testing.T) orlop.Registry { return create(t, t.TempDir()) },
		registrytest.Options{OneRepository: true, LooseNames: true})
}

func create(t *testing.T, dir string) *layout.Registry {
	t.Helper()
	r, err := layout.Create(dir)
	return opened(t, r, err)
}

func opened(t *testing.T, r *layout.Registry, err error) *layout.Registry {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// push pushes an artifact of one layer.
func push(t *testing.T, r orlop.Writer, text string, tags ...string) orlop.Descriptor {
	t.Helper()
	desc, err := tryPush(t, r, text, tags...)
	if err != nil {
		t.Fatal(err)
	}
	return desc
}

func tryPush(t testing.TB, r orlop.Writer, text string, tags ...string) (orlop.Descriptor, error) {
	return tryPushTexts(t, r, []string{text}, tags...)
}

// tryPushTexts pushes an artifact of one layer for every text.
func tryPushTexts(t testing.TB, r orlop.Writer, texts []string, tags ...string) (orlop.Descriptor, error) {
	o := orlop.PackOptions{ArtifactType: "application/vnd.example"}
	var layers []orlop.Blob
	for _, text := range texts {
		layer := orlop.Descriptor{MediaType: "text/plain", Digest: digest.FromString(text), Size: int64(len(text))}
		o.Layers = append(o.Layers, layer)
		layers = append(layers, orlop.Blob{Descriptor: layer, Content: []byte(text)})
	}
	m, blobs, err := orlop.Pack(o)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	for _, b := range append(blobs, layers...) {
		if err := r.PushBlob(t.Context(), "", b.Descriptor, bytes.NewReader(b.Content)); err != nil {
			return orlop.Descriptor{}, err
		}
	}
	return r.PushManifest(t.Context(), "", "", m.Raw, tags...)
}

// wantText checks that a reference names an artifact that push pushed.
func wantText(t *testing.T, r orlop.Reader, reference, text string) {
	t.Helper()
	m, err := r.Manifest(t.Context(), "", reference)
	if err != nil {
		t.Fatalf("%s: %v", reference, err)
	}
	info, err := orlop.ParseManifest("", m.Raw)
	if err != nil {
		t.Fatalf("%s: %v", reference, err)
	}
	rc, err := r.OpenBlob(t.Context(), "", info.Layers[0].Digest, 0, -1)
	if err != nil {
		t.Fatalf("%s: %v", reference, err)
	}
	defer rc.Close()
	got, err := io.ReadAll(rc)
	if err != nil || string(got) != text {
		t.Errorf("%s holds %.40q, %v; want %.40q", reference, got, err, text)
	}
}

func blobFile(dir string, dgst digest.Digest) string {
	return filepath.Join(dir, "blobs", string(dgst.Algorithm()), dgst.Encoded())
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	first := create(t, dir)
	push(t, first, "one", "a", "b")
	w, err := first.Upload(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "half of ")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := layout.Open(dir)
	second := opened(t, r, err)
	wantText(t, second, "a", "one")
	push(t, second, "two", "b")
	wantText(t, first, "b", "two") // which another changed
	wantText(t, create(t, dir), "a", "one")
	w, err = second.Upload(t.Context(), "", w.ID())
	if err != nil || w.Offset() != 8 {
		t.Fatalf("upload: %v", err)
	}
	io.WriteString(w, "a blob")
	if _, err := w.Commit(t.Context(), digest.FromString("half of a blob")); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "ingest", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := layout.Open(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := layout.Open(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("empty: %v", err)
	}
	if _, err := layout.OpenTar(dir); err == nil {
		t.Error("a directory is no tar file")
	}
	const index, version = `{"schemaVersion":2,"manifests":[]}`, `{"imageLayoutVersion":"1.0.0"}`
	for name, files := range map[string][2]string{
		"other version":    {`{"imageLayoutVersion":"2.0.0"}`, index},
		"no version":       {`{}`, index},
		"long":             {version + strings.Repeat(" ", 1<<20), index},
		"no JSON":          {version, `{`},
		"entry no object":  {version, `{"schemaVersion":2,"manifests":["x"]}`},
		"entry bad digest": {version, `{"schemaVersion":2,"manifests":[{"digest":"sha256:../../../../etc/passwd","size":1}]}`},
		"empty":            {"", ""},
	} {
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(files[0]), 0o644)
		os.WriteFile(filepath.Join(dir, "index.json"), []byte(files[1]), 0o644)
		if r, err := layout.Open(dir); err == nil {
			t.Errorf("%s: opened", name)
			r.Close()
		}
	}
}

// A layout of another tool: only the root is in index.json, with a name that is
// no tag, and with fields of its own.
func TestForeignLayout(t *testing.T) {
	dir := t.TempDir()
	r := create(t, dir)
	child := push(t, r, "child")
	subject, err := r.PushManifest(t.Context(), "", ocispec.MediaTypeImageManifest, fmt.Appendf(nil,
		`{"schemaVersion":2,"config":{"mediaType":"a/b","digest":%q,"size":2},"layers":[],"subject":{"mediaType":"a/b","digest":%q,"size":%d}}`,
		digest.FromString("{}"), child.Digest, child.Size))
	if err != nil {
		t.Fatal(err)
	}
	entry := func(d orlop.Descriptor) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, d.MediaType, d.Digest, d.Size)
	}
	root, err := r.PushManifest(t.Context(), "", ocispec.MediaTypeImageIndex,
		fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[%s,%s]}`, entry(child), entry(subject)))
	if err != nil {
		t.Fatal(err)
	}
	name := "docker.io/library/alpine:3"
	index := fmt.Sprintf(`{"schemaVersion":2,"annotations":{"kept":"yes"},"manifests":[{"mediaType":%q,"digest":%q,"size":%d,`+
		`"platform":{"os":"linux","architecture":"arm64"},"annotations":{"org.opencontainers.image.ref.name":%q,"vendor":"x"}}]}`,
		root.MediaType, root.Digest, root.Size, name)
	if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte(index), 0o644); err != nil {
		t.Fatal(err)
	}
	r = create(t, dir)
	if got, err := r.Resolve(t.Context(), "", name); err != nil || got.Digest != root.Digest {
		t.Errorf("root: %v, %v", got, err)
	}
	if got, err := r.Resolve(t.Context(), "", string(subject.Digest)); err != nil || got.MediaType != ocispec.MediaTypeImageManifest {
		t.Errorf("a manifest that does not say its type: %v, %v", got, err)
	}
	wantText(t, r, string(child.Digest), "child")
	for got, err := range r.Referrers(t.Context(), "", child.Digest, "") {
		if err != nil || got.Digest != subject.Digest {
			t.Errorf("referrer: %v, %v", got, err)
		}
	}
	push(t, r, "new", "new")
	raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
	for _, want := range []string{`"kept":"yes"`, `"vendor":"x"`, `"architecture":"arm64"`, name} {
		if err != nil || !strings.Contains(string(raw), want) {
			t.Errorf("index.json lost %s: %s, %v", want, raw, err)
		}
	}
	if err := r.DeleteTag(t.Context(), "", name); err != nil {
		t.Error(err)
	}
	if got, err := r.Resolve(t.Context(), "", string(root.Digest)); err != nil {
		t.Errorf("root without its tag: %v, %v", got, err)
	}
	dst := memory.New()
	if _, err := orlop.Copy(t.Context(), dst, "a", r, "", string(root.Digest), orlop.CopyOptions{Referrers: true}); err != nil {
		t.Error(err)
	}
}

// damage changes a file and returns what undoes that.
func damage(t *testing.T, file string, change func([]byte) []byte) (undo func()) {
	t.Helper()
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(slices.Clone(old)), 0o644); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.WriteFile(file, old, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var damages = map[string]func([]byte) []byte{
	"first byte": func(b []byte) []byte { b[0] ^= 1; return b },
	"last byte":  func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
	"cut":        func(b []byte) []byte { return b[:len(b)/2] },
	"longer":     func(b []byte) []byte { return append(b, 0) },
	"empty":      func(b []byte) []byte { return nil },
}

func TestDamagedBlob(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat("a blob of some length ", 50_000)
	blob := digest.FromString(text)
	push(t, create(t, dir), text, "tag")
	for name, change := range damages {
		undo := damage(t, blobFile(dir, blob), change)
		r := create(t, dir)
		size, err := r.StatBlob(t.Context(), "", blob)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int64{-1, size.Size, 1, size.Size / 2} {
			rc, err := r.OpenBlob(t.Context(), "", blob, 0, n)
			read := 0
			if err == nil {
				var got []byte
				got, err = io.ReadAll(rc)
				read = len(got)
				rc.Close()
			}
			if !errors.Is(err, orlop.ErrDamaged) || size.Size > 0 && int64(read) >= size.Size {
				t.Errorf("%s: read %d of %d bytes, %v", name, read, size.Size, err)
			}
		}
		undo()
	}
	r := create(t, dir)
	damage(t, blobFile(dir, blob), damages["first byte"])
	push(t, r, text, "tag") // which heals it
	wantText(t, r, "tag", text)
	damage(t, blobFile(dir, blob), damages["cut"])
	src := memory.New()
	if _, err := orlop.Copy(t.Context(), src, "a", r, "", "tag", orlop.CopyOptions{}); !errors.Is(err, orlop.ErrDamaged) {
		t.Errorf("copied what is damaged: %v", err)
	}
	wantHealed(t, dir, text)
}

// wantHealed checks that a copy replaces a blob that was cut, once its manifest
// is not taken for whole.
func wantHealed(t *testing.T, dir, text string) {
	t.Helper()
	src := create(t, t.TempDir())
	push(t, src, text, "tag")
	r := create(t, dir)
	if _, err := orlop.Copy(t.Context(), r, "", src, "", "tag", orlop.CopyOptions{Tags: []string{"tag"}, Force: true}); err != nil {
		t.Fatal(err)
	}
	wantText(t, r, "tag", text)
}

// A change that neither size nor time of index.json tells.
func TestIndexChangedUnnoticed(t *testing.T) {
	dir := t.TempDir()
	r, other := create(t, dir), create(t, dir)
	push(t, r, "one", "tag")
	two := push(t, r, "two", "two")
	later := time.Now().Add(time.Hour)
	index := filepath.Join(dir, "index.json")
	for _, text := range []string{"one", "two"} {
		if text == "two" {
			if err := other.DeleteTag(t.Context(), "", "two"); err != nil {
				t.Fatal(err)
			}
			if _, err := other.Resolve(t.Context(), "", string(two.Digest)); err != nil {
				t.Fatal(err)
			}
			push(t, other, "two", "tag")
			push(t, other, "one", "two")
		}
		if err := os.Chtimes(index, later, later); err != nil {
			t.Fatal(err)
		}
		wantText(t, r, "tag", text)
	}
}

func TestDamagedManifest(t *testing.T) {
	dir := t.TempDir()
	desc := push(t, create(t, dir), "text", "tag")
	for name, change := range damages {
		undo := damage(t, blobFile(dir, desc.Digest), change)
		r := create(t, dir)
		for _, reference := range []string{"tag", string(desc.Digest)} {
			if m, err := r.Manifest(t.Context(), "", reference); !errors.Is(err, orlop.ErrDamaged) || m.Raw != nil {
				t.Errorf("%s: read %q, %v", name, m.Raw, err)
			}
		}
		undo()
	}
	if err := os.Remove(blobFile(dir, desc.Digest)); err != nil {
		t.Fatal(err)
	}
	if _, err := create(t, dir).Manifest(t.Context(), "", "tag"); !errors.Is(err, orlop.ErrManifestUnknown) {
		t.Errorf("removed: %v", err)
	}
}

// A range of a file that was read through once, and is damaged afterwards.
func TestDamagedLater(t *testing.T) {
	dir := t.TempDir()
	r := create(t, dir)
	push(t, r, "some text", "tag")
	blob := digest.FromString("some text")
	for range 2 {
		rc, err := r.OpenBlob(t.Context(), "", blob, 5, 4)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(rc); err != nil || string(got) != "text" {
			t.Errorf("%q, %v", got, err)
		}
		rc.Close()
	}
	damage(t, blobFile(dir, blob), damages["longer"])
	if _, err := r.OpenBlob(t.Context(), "", blob, 5, 4); !errors.Is(err, orlop.ErrDamaged) {
		t.Errorf("error %v", err)
	}
}

// What is not a file of the layout is not read.
func TestLinksAndPipes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege")
	}
	dir, secret := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := create(t, dir)
	push(t, r, "text", "tag")
	dgst := digest.FromString("secret")
	for name, link := range map[string]string{"out": secret, "around": "../../../" + filepath.Base(secret), "directory": "."} {
		os.Remove(blobFile(dir, dgst))
		if err := os.Symlink(link, blobFile(dir, dgst)); err != nil {
			t.Fatal(err)
		}
		if rc, err := r.OpenBlob(t.Context(), "", dgst, 0, -1); err == nil {
			t.Errorf("%s: opened", name)
			rc.Close()
		}
	}
	desc := orlop.Descriptor{Digest: dgst, Size: 6}
	if err := os.Remove(blobFile(dir, dgst)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, blobFile(dir, dgst)); err != nil {
		t.Fatal(err)
	}
	if err := r.PushBlob(t.Context(), "", desc, strings.NewReader("secret")); err != nil {
		t.Errorf("push in place of a link: %v", err)
	}
	if info, err := os.Lstat(blobFile(dir, dgst)); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the link was written through: %v, %v", info, err)
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	if os.Getuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("permissions do not hold for this user")
	}
	dir := t.TempDir()
	push(t, create(t, dir), "text", "tag")
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	r := create(t, dir)
	wantText(t, r, "tag", "text")
	if _, err := tryPush(t, r, "more", "more"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v", err)
	}
}

func TestRepositories(t *testing.T) {
	for _, err := range create(t, t.TempDir()).Repositories(t.Context(), "") {
		if !errors.Is(err, orlop.ErrUnsupported) {
			t.Errorf("error %v", err)
		}
	}
}
