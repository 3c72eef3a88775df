package layout_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/memory"
)

func TestValidateName(t *testing.T) {
	good := []string{
		"v1", "_v1", "a--b", "registry.example/app:v1", "registry.example:5000/a/b/c:v1", "a/b", "app:v1", "v1+build.5",
		"app@2", "registry.example/app:v1@sha256:" + strings.Repeat("a", 64), "a" + strings.Repeat("/a", 255),
	}
	for _, name := range good {
		if err := layout.ValidateName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	bad := []string{
		"", "a b", "/a", "a/", "a//b", "../a", "a/../b", `a\b`, "a\x00", "a\n", "é", "\u202ea/b", ":a", "a:", "a/-b", "a---b/c",
		"sha256:abc", "SHA256:abc", "sha512:" + strings.Repeat("z", 128), "md5:" + strings.Repeat("a", 32),
		"sha256:" + strings.Repeat("a", 64), strings.Repeat("a", 129), "a" + strings.Repeat("/a", 256),
	}
	for _, name := range bad {
		if err := layout.ValidateName(name); !errors.Is(err, orlop.ErrTagInvalid) {
			t.Errorf("%.50q: %v", name, err)
		}
	}
}

func TestNames(t *testing.T) {
	const name = "registry.example/app:v1"
	dir := t.TempDir()
	r := create(t, dir)
	if _, err := r.Resolve(t.Context(), "", name); !errors.Is(err, orlop.ErrManifestUnknown) {
		t.Errorf("absent: %v", err)
	}
	push(t, r, "one", name, "v1")
	wantText(t, create(t, dir), name, "one")
	dst := create(t, t.TempDir())
	for range 2 { // Copy takes a name with a colon for no digest
		if _, err := orlop.Copy(t.Context(), dst, "", r, "", name, orlop.CopyOptions{Tags: []string{name}}); err != nil {
			t.Fatal(err)
		}
	}
	wantText(t, dst, name, "one")
	if _, err := orlop.Copy(t.Context(), memory.New(), "app", r, "", name, orlop.CopyOptions{Tags: []string{"v1"}}); err != nil {
		t.Error(err)
	}
	if err := r.DeleteTag(t.Context(), "", name); err != nil {
		t.Error(err)
	}
	if err := r.DeleteTag(t.Context(), "", name); !errors.Is(err, orlop.ErrManifestUnknown) {
		t.Errorf("deleted twice: %v", err)
	}
	wantText(t, r, "v1", "one")
}
