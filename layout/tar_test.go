package layout_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/memory"
)

// archive makes a tar file of a directory. edit may change or drop headers.
func archive(t *testing.T, dir string, edit func(*tar.Header) bool) string {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	err := filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		h, err := tar.FileInfoHeader(info, "")
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		h.Name = filepath.ToSlash(rel)
		if edit != nil && !edit(h) {
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return errors.Join(tw.WriteHeader(h), second(tw.Write(content)))
	})
	if err := errors.Join(err, tw.Close()); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "layout.tar")
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func second[T any](_ T, err error) error { return err }

func TestTar(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat("a long text ", 10_000)
	push(t, create(t, dir), text, "tag", "other")
	push(t, create(t, dir), "", "empty")
	for name, edit := range map[string]func(*tar.Header) bool{
		"plain": nil,
		"dot":   func(h *tar.Header) bool { h.Name = "./" + h.Name; return true },
		"PAX header": func(h *tar.Header) bool {
			h.PAXRecords = map[string]string{"VENDOR.key": strings.Repeat("v", 5000)}
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := layout.OpenTar(archive(t, dir, edit))
			r = opened(t, r, err)
			wantText(t, r, "tag", text)
			wantText(t, r, "other", text)
			wantText(t, r, "empty", "")
			if _, err := r.StatBlob(t.Context(), "", digest.FromString("absent")); !errors.Is(err, orlop.ErrBlobUnknown) {
				t.Errorf("absent: %v", err)
			}
			if _, err := orlop.Copy(t.Context(), memory.New(), "a", r, "", "tag", orlop.CopyOptions{Tags: []string{"tag"}}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTarIsReadOnly(t *testing.T) {
	dir := t.TempDir()
	desc := push(t, create(t, dir), "text", "tag")
	name := archive(t, dir, nil)
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := layout.OpenTar(name)
	r = opened(t, r, err)
	blob := digest.FromString("text")
	errs := map[string]error{
		"push blob":       r.PushBlob(t.Context(), "", orlop.Descriptor{Digest: blob, Size: 4}, strings.NewReader("text")),
		"mount":           r.MountBlob(t.Context(), "", "", blob),
		"upload":          second(r.Upload(t.Context(), "", "")),
		"push manifest":   second(r.PushManifest(t.Context(), "", "", []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`))),
		"delete blob":     r.DeleteBlob(t.Context(), "", blob),
		"delete manifest": r.DeleteManifest(t.Context(), "", desc.Digest),
		"delete tag":      r.DeleteTag(t.Context(), "", "tag"),
	}
	for what, err := range errs {
		if !errors.Is(err, orlop.ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if after, err := os.ReadFile(name); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the tar file changed, %v", err)
	}
}

func TestTarHostile(t *testing.T) {
	dir := t.TempDir()
	push(t, create(t, dir), "text", "tag")
	good, err := os.ReadFile(archive(t, dir, nil))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "layout.tar")
	for _, content := range [][]byte{nil, good[:100], good[:512], good[:700], bytes.Repeat([]byte{0xff}, 5000), make([]byte, 1<<20)} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
		if r, err := layout.OpenTar(name); err == nil {
			t.Errorf("%d bytes: opened", len(content))
			r.Close()
		}
	}
	for i := range good { // every byte, flipped: an error, or what was pushed
		if i%7 != 0 && good[i] == 0 {
			continue
		}
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if err := os.WriteFile(name, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := layout.OpenTar(name)
		if err != nil {
			continue
		}
		dst := memory.New()
		if _, err := orlop.Copy(t.Context(), dst, "a", r, "", "tag", orlop.CopyOptions{Tags: []string{"tag"}}); err == nil {
			m, err := dst.Manifest(t.Context(), "a", "tag")
			if err != nil || !strings.Contains(string(m.Raw), string(digest.FromString("text"))) {
				t.Errorf("byte %d: copied %s, %v", i, m.Raw, err)
			}
		}
		r.Close()
	}
}
