package cache

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/layout"
)

// use makes a blob look as if it was last used some hours ago.
func use(t *testing.T, dir string, dgst digest.Digest, hours int) {
	t.Helper()
	at := time.Now().Add(time.Duration(-hours) * time.Hour)
	if err := os.Chtimes(blobPath(dir, dgst), at, at); err != nil {
		t.Fatal(err)
	}
}

func isThere(dir string, dgst digest.Digest) bool {
	_, err := os.Lstat(blobPath(dir, dgst))
	return err == nil
}

// TestEvict removes what has not been used for longest, once there is too much.
func TestEvict(t *testing.T) {
	o, dir := newOrigin(), t.TempDir()
	var digests []digest.Digest
	keep := func(i int) {
		content, dgst := o.blob(t, 100, uint64(i))
		mustRead(t, open(t, dir, Options{MaxSize: 1000}).Reader(o), dgst, content)
		digests = append(digests, dgst)
	}
	for i := range 10 {
		keep(i)
		use(t, dir, digests[i], 100-i)
	}
	for _, dgst := range digests {
		if !isThere(dir, dgst) {
			t.Fatalf("%s is gone before the limit", dgst)
		}
	}
	// Reading is using.
	if _, err := read(t.Context(), open(t, dir, Options{}).Reader(o), digests[0], 0, 1); err != nil {
		t.Fatal(err)
	}
	keep(10)
	for i, dgst := range digests {
		if want := i != 1 && i != 2; isThere(dir, dgst) != want {
			t.Errorf("blob %d is there: %t", i, !want)
		}
	}
	// What is larger than all of the cache is not kept.
	content, dgst := o.blob(t, 1001, 99)
	mustRead(t, open(t, dir, Options{MaxSize: 1000}).Reader(o), dgst, content)
	if isThere(dir, dgst) || !isThere(dir, digests[0]) {
		t.Error("a blob that is too large was kept")
	}
}

// TestEvictInOneProcess keeps the limit while one process adds much.
func TestEvictInOneProcess(t *testing.T) {
	o, dir := newOrigin(), t.TempDir()
	c := open(t, dir, Options{MaxSize: 100_000})
	for i := range 100 {
		content, dgst := o.blob(t, 4000, uint64(i))
		mustRead(t, c.Reader(o), dgst, content)
		if _, total := c.files(); total > 100_000+100_000/scanEvery+4000 {
			t.Fatalf("the cache holds %d bytes after %d blobs", total, i)
		}
	}
}

// TestEvictNothingElsewhere leaves a layout alone that is not marked as a cache.
func TestEvictNothingElsewhere(t *testing.T) {
	o, dir := newOrigin(), t.TempDir()
	l, err := layout.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := open(t, dir, Options{MaxSize: 150})
	if c.Limited() {
		t.Error("a layout that was there before is limited")
	}
	var digests []digest.Digest
	for i := range 5 {
		content, dgst := o.blob(t, 100, uint64(i))
		mustRead(t, c.Reader(o), dgst, content)
		digests = append(digests, dgst)
	}
	for _, dgst := range digests {
		if !isThere(dir, dgst) {
			t.Errorf("%s was removed", dgst)
		}
	}
	// Its owner may mark it.
	if err := os.WriteFile(filepath.Join(dir, tagName), []byte(signature+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	content, dgst := o.blob(t, 100, 9)
	c = open(t, dir, Options{MaxSize: 150})
	mustRead(t, c.Reader(o), dgst, content)
	if _, total := c.files(); !c.Limited() || total > 150 {
		t.Errorf("a marked layout holds %d bytes", total)
	}
}

// TestEvictWhileRead goes on reading what is removed.
func TestEvictWhileRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("what is open cannot be removed")
	}
	o, dir := newOrigin(), t.TempDir()
	c := open(t, dir, Options{MaxSize: 4 << 20})
	content, dgst := o.blob(t, 3<<20, 1)
	mustRead(t, c.Reader(o), dgst, content)
	b, err := c.Reader(o).OpenBlob(t.Context(), repo, dgst, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	use(t, dir, dgst, 1)
	other, otherDigest := o.blob(t, 3<<20, 2)
	mustRead(t, c.Reader(o), otherDigest, other)
	if isThere(dir, dgst) {
		t.Fatal("the blob was not removed")
	}
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if o.times(dgst) != 1 {
		t.Error("the registry was asked again")
	}
}

// TestStaleTemps removes what killed processes left, of ours and when it is old.
func TestStaleTemps(t *testing.T) {
	o, dir := newOrigin(), t.TempDir()
	open(t, dir, Options{})
	old := time.Now().Add(-2 * staleAfter)
	names := map[string]bool{ // whether it stays
		tempPrefix + "old" + tempSuffix: false, tempPrefix + "new" + tempSuffix: true, "other.tmp": true,
	}
	for name := range names {
		file := filepath.Join(dir, ingestDir, name)
		if err := os.WriteFile(file, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if name != tempPrefix+"new"+tempSuffix {
			if err := os.Chtimes(file, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	content, dgst := o.blob(t, 100, 1)
	mustRead(t, open(t, dir, Options{}).Reader(o), dgst, content)
	for name, stays := range names {
		if _, err := os.Stat(filepath.Join(dir, ingestDir, name)); (err == nil) != stays {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIndexIsLeftAlone changes nothing in the index of others, and makes a
// valid one.
func TestIndexIsLeftAlone(t *testing.T) {
	for _, before := range []string{"", `{"schemaVersion":2,"manifests":[],"mine":true}`} {
		o, dir := newOrigin(), t.TempDir()
		if before != "" {
			for name, text := range map[string]string{"index.json": before, "oci-layout": `{"imageLayoutVersion":"1.0.0"}`} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		content, dgst := o.blob(t, 100, 1)
		mustRead(t, open(t, dir, Options{}).Reader(o), dgst, content)
		raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
		if err != nil || before != "" && string(raw) != before || !json.Valid(raw) {
			t.Errorf("index.json is %s, %v", raw, err)
		}
	}
}
