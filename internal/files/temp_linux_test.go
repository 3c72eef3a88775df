//go:build linux

package files

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// What a killed pull has left goes with the next one; what another pull is
// using, and what is not ours, stays.
func TestSweep(t *testing.T) {
	b := newBox(t, TargetOptions{})
	const dead, deadDir = ".orlop-AAAAAAAAAAAAAAAAAAAAAAAAAA.tmp", ".orlop-BBBBBBBBBBBBBBBBBBBBBBBBBB.tmp"
	for _, name := range []string{dead, "sub/" + dead, "sub/" + deadDir + "/half/file"} {
		b.write(t, "out/"+name, "half")
	}
	kept := map[string]string{
		"out/.orlop-mine.tmp": "mine", "out/x.orlop-AAAAAAAAAAAAAAAAAAAAAAAAAA.tmp": "mine",
		"out/elsewhere/" + dead: "half", // no file is written there
	}
	for name, content := range kept {
		b.write(t, name, content)
	}
	f, temp, release, err := createTemp(b.target.root, "used", 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	defer f.Close()
	other, err := OpenTarget(filepath.Join(b.dir, "out"), TargetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, name := range []string{"a", "sub/a"} {
		if _, err := other.Restore(t.Context(), name, describeString("new"), serve("new", nil)); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"out/a": "new", "out/sub": "", "out/sub/a": "new", "out/elsewhere": "", "out/" + temp: ""}
	maps.Copy(want, kept)
	b.wantTree(t, want)
}

// A link of that name is not followed.
func TestSweepLeavesLinks(t *testing.T) {
	b := newBox(t, TargetOptions{})
	b.symlink(t, "../outside", "out/.orlop-AAAAAAAAAAAAAAAAAAAAAAAAAA.tmp")
	if _, err := b.target.Restore(t.Context(), "a", describeString("new"), serve("new", nil)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"outside/secret", "out/.orlop-AAAAAAAAAAAAAAAAAAAAAAAAAA.tmp"} {
		if _, err := os.Lstat(filepath.Join(b.dir, name)); err != nil {
			t.Error(err)
		}
	}
}
