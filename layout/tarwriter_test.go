package layout_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/memory"
	"github.com/orlop/orlop/registrytest"
)

func createTar(t *testing.T, name string) *layout.Registry {
	t.Helper()
	r, err := layout.CreateTar(name)
	return opened(t, r, err)
}

func commit(t *testing.T, r *layout.Registry) {
	t.Helper()
	if err := r.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRegistryTar(t *testing.T) {
	o := registrytest.Options{OneRepository: true, LooseNames: true, NoDelete: true, NoResume: true, NoUpload: true}
	registrytest.Run(t, func(t *testing.T) orlop.Registry {
		return createTar(t, filepath.Join(t.TempDir(), "layout.tar"))
	}, o)
}

// wantFiles checks what is in a directory.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s holds %q, %v; want %q", dir, got, err, want)
	}
}

// tarNames lists a tar file, whose content every reader must be able to read.
func tarNames(t *testing.T, r io.Reader) []string {
	t.Helper()
	var names []string
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		_, encoded, ok := strings.Cut(h.Name, "blobs/sha256/")
		if ok && digest.FromBytes(raw).Encoded() != encoded {
			t.Errorf("%s holds %.40q", h.Name, raw)
		}
		if !h.ModTime.Equal(time.Unix(0, 0)) || h.Uid != 0 || h.Uname != "" || h.Mode != 0o644 {
			t.Errorf("header %+v", h)
		}
		names = append(names, h.Name)
	}
}

func TestCreateTar(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "layout.tar")
	r := createTar(t, name)
	text := strings.Repeat("a long text ", 100_000)
	push(t, r, text, "a", "registry.example/app:v1")
	desc := push(t, r, "", "empty")
	wantText(t, r, "a", text)
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("before Commit: %v", err)
	}
	commit(t, r)
	wantFiles(t, dir, "layout.tar")
	read, err := layout.OpenTar(name)
	for _, r := range []*layout.Registry{r, opened(t, read, err)} {
		wantText(t, r, "a", text)
		wantText(t, r, "registry.example/app:v1", text)
		wantText(t, r, string(desc.Digest), "")
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names := tarNames(t, f)
	if len(names) != 7 || names[0] != "oci-layout" || names[6] != "index.json" { // 2 manifests, 2 texts, "{}"
		t.Errorf("the tar file holds %q", names)
	}
	if _, err := tryPush(t, r, "more", "more"); !errors.Is(err, orlop.ErrUnsupported) {
		t.Errorf("push after Commit: %v", err)
	}
	if err := r.Commit(t.Context()); err != nil {
		t.Errorf("committed twice: %v", err)
	}
}

func TestCreateTarReplacesWhole(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "layout.tar")
	first := createTar(t, name)
	push(t, first, "one", "a")
	commit(t, first)
	dropped, err := layout.CreateTar(name)
	if err != nil {
		t.Fatal(err)
	}
	push(t, dropped, "two", "a")
	if err := dropped.Close(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, "layout.tar")
	r, err := layout.OpenTar(name)
	wantText(t, opened(t, r, err), "a", "one")
	third := createTar(t, name)
	push(t, third, "three", "a")
	commit(t, third)
	r, err = layout.OpenTar(name)
	wantText(t, opened(t, r, err), "a", "three")
	if _, err := layout.CreateTar(filepath.Join(dir, "absent", "layout.tar")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestCreateTarSweeps(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "layout.tar")
	suffix := "." + strings.ToLower(rand.Text()) + ".tmp"
	old := time.Now().Add(-30 * 24 * time.Hour)
	for file, modified := range map[string]time.Time{
		"layout.tar" + suffix: old, "other.tar" + suffix: old, "layout.tar.tmp": old,
		"layout.tar." + strings.Repeat("a", 26) + ".tmp": time.Now(),
	} {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, createTar(t, name))
	wantFiles(t, dir, "layout.tar", "layout.tar."+strings.Repeat("a", 26)+".tmp", "layout.tar.tmp", "other.tar"+suffix)
}

// Blobs that come at once, and some that fail, leave no gap.
func TestCreateTarGaps(t *testing.T) {
	name := filepath.Join(t.TempDir(), "layout.tar")
	r := createTar(t, name)
	var wg sync.WaitGroup
	for i := range 40 {
		text := strings.Repeat(fmt.Sprint("text ", i), 1+i*500)
		wg.Go(func() {
			desc := orlop.Descriptor{Digest: digest.FromString(text), Size: int64(len(text))}
			wrong := strings.NewReader(text[1:] + "x")
			if i%3 == 0 {
				wrong = strings.NewReader(text[1:])
			}
			if err := r.PushBlob(t.Context(), "", desc, wrong); err == nil {
				t.Error("wrong content was taken")
			}
			if i%2 == 0 {
				if _, err := tryPush(t, r, text, fmt.Sprint(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	huge := orlop.Descriptor{Digest: digest.FromString("x"), Size: 1<<63 - 1}
	if err := r.PushBlob(t.Context(), "", huge, strings.NewReader("x")); !errors.Is(err, orlop.ErrTooLarge) {
		t.Errorf("huge: %v", err)
	}
	commit(t, r)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if names := tarNames(t, f); len(names) != 43 { // 20 texts, 20 manifests, "{}", two files
		t.Errorf("%d entries", len(names))
	}
	read, err := layout.OpenTar(name)
	read = opened(t, read, err)
	for i := range 20 {
		wantText(t, read, fmt.Sprint(2*i), strings.Repeat(fmt.Sprint("text ", 2*i), 1+2*i*500))
	}
}

// The same source gives the same bytes, though many blobs come at once.
func TestCreateTarIsReproducible(t *testing.T) {
	src := memory.New()
	var index ocispec.Index
	index.SchemaVersion, index.MediaType = 2, ocispec.MediaTypeImageIndex
	for i := range 10 {
		var texts []string
		for j := range 50 {
			texts = append(texts, strings.Repeat(fmt.Sprint("text ", i, j), 1+j*j))
		}
		desc, err := tryPushTexts(t, named{src, "a"}, texts)
		if err != nil {
			t.Fatal(err)
		}
		index.Manifests = append(index.Manifests, desc)
	}
	raw, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.PushManifest(t.Context(), "a", "", raw, "v1"); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		m, blobs, err := orlop.Pack(orlop.PackOptions{ArtifactType: fmt.Sprint("a/b", i), Subject: &index.Manifests[i]})
		if err != nil {
			t.Fatal(err)
		}
		pushBlobs(t, named{src, "a"}, string(blobs[0].Content))
		if _, err := src.PushManifest(t.Context(), "a", "", m.Raw); err != nil {
			t.Fatal(err)
		}
	}
	var files [4][]byte
	for i := range files {
		name := filepath.Join(t.TempDir(), "layout.tar")
		r := createTar(t, name)
		o := orlop.CopyOptions{Tags: []string{"v1"}, Referrers: true}
		if _, err := orlop.Copy(t.Context(), r, "", src, "a", "v1", o); err != nil {
			t.Fatal(err)
		}
		commit(t, r)
		if files[i], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(files[i], files[0]) {
			t.Error("the tar files differ")
		}
	}
}

// What was announced and does not come, or not as announced, leaves no gap.
func TestCreateTarExpects(t *testing.T) {
	name := filepath.Join(t.TempDir(), "layout.tar")
	r := createTar(t, name)
	var blobs []orlop.Descriptor
	for i := range 20 {
		text := strings.Repeat(fmt.Sprint("text ", i), 1000)
		blobs = append(blobs, orlop.Descriptor{Digest: digest.FromString(text), Size: int64(len(text))})
	}
	bad := []orlop.Descriptor{{Digest: "sha256:../../x", Size: 1}, {Digest: blobs[0].Digest, Size: -1}, {Digest: digest.FromString("x"), Size: 1<<63 - 1}}
	if !r.Expect("", append(bad, blobs...)) {
		t.Error("a tar file does not want to know")
	}
	if r.Expect("", nil); create(t, t.TempDir()).Expect("", blobs) {
		t.Error("a directory wants to know")
	}
	for i := 19; i >= 0; i -= 3 {
		push(t, r, strings.Repeat(fmt.Sprint("text ", i), 1000), fmt.Sprint(i))
	}
	wrong := blobs[3]
	if err := r.PushBlob(t.Context(), "", wrong, strings.NewReader(strings.Repeat("x", int(wrong.Size)))); !errors.Is(err, orlop.ErrDigestInvalid) {
		t.Errorf("wrong content: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("commit, cancelled: %v", err)
	}
	if err := r.Commit(t.Context()); err == nil {
		t.Error("committed what was half moved")
	}

	r = createTar(t, name)
	r.Expect("", blobs)
	for i := 19; i >= 0; i -= 3 {
		push(t, r, strings.Repeat(fmt.Sprint("text ", i), 1000), fmt.Sprint(i))
	}
	commit(t, r)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names := tarNames(t, f)
	if len(names) != 7+7+3 || names[1] != "blobs/sha256/"+blobs[1].Digest.Encoded() {
		t.Errorf("entries %q", names)
	}
	for i := 19; i >= 0; i -= 3 {
		wantText(t, r, fmt.Sprint(i), strings.Repeat(fmt.Sprint("text ", i), 1000))
	}
}

// named gives every blob and manifest to one repository.
type named struct {
	orlop.Writer
	repo string
}

func (n named) PushBlob(ctx context.Context, _ string, desc orlop.Descriptor, content io.Reader) error {
	return n.Writer.PushBlob(ctx, n.repo, desc, content)
}

func (n named) PushManifest(ctx context.Context, _, mediaType string, raw []byte, tags ...string) (orlop.Descriptor, error) {
	return n.Writer.PushManifest(ctx, n.repo, mediaType, raw, tags...)
}

func TestWriteTar(t *testing.T) {
	var tars [2]bytes.Buffer
	for i, order := range [][]string{{"a", "b", "c"}, {"c", "a", "b"}} {
		r := batch(t, t.TempDir())
		for _, tag := range order {
			push(t, r, "text of "+tag, tag)
		}
		pushBlobs(t, r, fmt.Sprint("garbage ", i))
		if err := r.WriteTar(t.Context(), &tars[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(tars[0].Bytes(), tars[1].Bytes()) {
		t.Error("the same content gives other bytes")
	}
	name := filepath.Join(t.TempDir(), "layout.tar")
	if err := os.WriteFile(name, tars[0].Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := layout.OpenTar(name)
	r = opened(t, r, err)
	wantText(t, r, "b", "text of b")
	if names := tarNames(t, &tars[1]); len(names) != 9 {
		t.Errorf("entries %q", names)
	}
	var again bytes.Buffer
	if err := r.WriteTar(t.Context(), &again); err != nil || !bytes.Equal(again.Bytes(), tars[0].Bytes()) {
		t.Errorf("a tar file written again differs, %v", err)
	}
}

func pushBlobs(t *testing.T, r orlop.Writer, texts ...string) {
	t.Helper()
	for _, text := range texts {
		desc := orlop.Descriptor{Digest: digest.FromString(text), Size: int64(len(text))}
		if err := r.PushBlob(t.Context(), "", desc, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWriteTarFails(t *testing.T) {
	dir := t.TempDir()
	r := create(t, dir)
	push(t, r, "text", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.WriteTar(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	blob := blobFile(dir, digest.FromString("text"))
	if err := os.WriteFile(blob, []byte("tixt"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteTar(t.Context(), io.Discard); !errors.Is(err, orlop.ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
	if err := os.Remove(blob); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteTar(t.Context(), io.Discard); !errors.Is(err, orlop.ErrBlobUnknown) {
		t.Errorf("absent: %v", err)
	}
}
