package layout_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/layout"
)

// Whoever opens a layout and reads one thing of it does not read the rest: here
// no other manifest could be read.
func TestOpenReadsNoManifests(t *testing.T) {
	dir := t.TempDir()
	w := batch(t, dir)
	desc := push(t, w, "one", "one")
	for i := range 100 {
		other := push(t, w, fmt.Sprint("text ", i), fmt.Sprint(i))
		if err := os.WriteFile(blobFile(dir, other.Digest), []byte("damaged"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, w)
	r, err := layout.Open(dir)
	r = opened(t, r, err)
	wantText(t, r, "one", "one")
	wantText(t, r, string(desc.Digest), "one")
	blob, err := r.OpenBlob(t.Context(), "", digest.FromString("text 7"), 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	if text, err := io.ReadAll(blob); err != nil || string(text) != "text 7" {
		t.Errorf("read %q, %v", text, err)
	}
}

// A process that is killed in the middle of a batch leaves the layout as it
// was, and blobs that the next one finds.
func TestBatchKilled(t *testing.T) {
	dir := t.TempDir()
	push(t, create(t, dir), "before", "before")
	cmd, pushed := child(t, dir, "batch", 1000)
	waitFor(t, pushed, 20)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	r := create(t, dir)
	wantText(t, r, "before", "before")
	for tag, err := range r.Tags(t.Context(), "", "") {
		if err != nil || tag != "before" {
			t.Errorf("tag %s, %v", tag, err)
		}
	}
	r.Batch()
	for i := range 30 {
		tag := fmt.Sprintf("batch-%d", i)
		push(t, r, "the text of "+tag, tag)
	}
	commit(t, r)
	other := create(t, dir)
	for i := range 30 {
		tag := fmt.Sprintf("batch-%d", i)
		wantText(t, other, tag, "the text of "+tag)
	}
}

// A process that is killed while it writes a tar file leaves the old one.
func TestTarKilled(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "layout.tar")
	old := createTar(t, name)
	push(t, old, "before", "before")
	commit(t, old)
	cmd, pushed := child(t, name, "tar", 1000)
	waitFor(t, pushed, 20)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	r, err := layout.OpenTar(name)
	wantText(t, opened(t, r, err), "before", "before")
	left, err := filepath.Glob(filepath.Join(dir, "layout.tar.*.tmp"))
	if err != nil || len(left) != 1 { // which is swept when it is old
		t.Errorf("left %q, %v", left, err)
	}
}

// waitFor waits until a child has pushed n artifacts.
func waitFor(t *testing.T, pushed *bufio.Scanner, n int) {
	t.Helper()
	for n > 0 && pushed.Scan() {
		if strings.HasPrefix(pushed.Text(), "pushed ") {
			n--
		}
	}
	if n > 0 {
		t.Fatalf("the child ended too soon: %v", pushed.Err())
	}
}
