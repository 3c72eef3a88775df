package files

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/orlop/orlop"
)

// Content that is said to be verified, but is that of another blob, is not
// believed.
func TestWholeOfAnotherBlob(t *testing.T) {
	for _, content := range []string{"bad", "much longer", ""} {
		b := newBox(t, TargetOptions{})
		_, err := b.target.Restore(t.Context(), "f", describeString("old"), func(context.Context, int64) (io.ReadCloser, error) {
			return Whole([]byte(content), describeString(content)), nil
		})
		if err == nil {
			t.Errorf("%q was taken for another", content)
		}
		if content == "bad" && !errors.Is(err, orlop.ErrDamaged) {
			t.Error(err)
		}
		b.wantTree(t, map[string]string{})
	}
}

// Small files go into several folders in turn, in place of what is there.
func TestSmallFilesInFolders(t *testing.T) {
	b := newBox(t, TargetOptions{})
	want := map[string]string{"out/a": "", "out/b": ""}
	for _, text := range []string{"one", "two"} {
		for _, name := range []string{"a/f", "b/f", "f", "a/g", "b/g", "g"} {
			content := text + name
			if _, err := b.target.Restore(t.Context(), name, describeString(content), func(context.Context, int64) (io.ReadCloser, error) {
				return Whole([]byte(content), describeString(content)), nil
			}); err != nil {
				t.Fatal(err)
			}
			want["out/"+name] = content
		}
	}
	b.wantTree(t, want)
}

// A small file whose folder is replaced meanwhile is written into the new one.
func TestSmallFileInAReplacedFolder(t *testing.T) {
	b := newBox(t, TargetOptions{})
	if _, err := b.target.Restore(t.Context(), "d/f", describeString("f"), serve("f", nil)); err != nil {
		t.Fatal(err)
	}
	if err := b.target.root.RemoveAll("d"); err != nil {
		t.Skip(err) // it is in use
	}
	if _, err := b.target.Restore(t.Context(), "d/g", describeString("g"), serve("g", nil)); err != nil {
		t.Fatal(err)
	}
	b.wantTree(t, map[string]string{"out/d": "", "out/d/g": "g"})
}
