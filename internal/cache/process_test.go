package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/remote"
	"github.com/orlop/orlop/remote/auth"
)

// childEnv makes the test binary read through a cache instead: "dir|host|tag".
const childEnv = "ORLOP_TEST_CACHE"

// TestChild is not a test by itself: it reads an artifact, or half of one.
func TestChild(t *testing.T) {
	args := strings.Split(os.Getenv(childEnv), "|")
	if len(args) != 3 {
		t.Skip("run by other tests")
	}
	c := open(t, args[0], Options{MaxSize: shared})
	r := c.Reader(registry(t, args[1]))
	if args[2] != "half" {
		if err := pull(t.Context(), r, args[2]); err != nil {
			t.Fatal(err)
		}
		return
	}
	m, err := r.Manifest(t.Context(), repo, "big")
	if err != nil {
		t.Fatal(err)
	}
	info, err := orlop.ParseManifest("", m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.OpenBlob(t.Context(), repo, info.Layers[0].Digest, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, b, 4<<20); err != nil {
		t.Fatal(err)
	}
	fmt.Println("half")
	io.Copy(io.Discard, os.Stdin) // until it is killed
}

// shared is the limit of the cache that many use at once, less than what they
// read.
const shared = 8 << 20

func registry(t *testing.T, host string) *remote.Registry {
	t.Helper()
	r, err := remote.New(host, remote.Options{
		PlainHTTP: true, Credential: auth.Static(auth.Credential{Username: "admin", Password: testenv.AdminPassword}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pull reads an artifact and checks what it gets.
func pull(ctx context.Context, r orlop.Reader, tag string) error {
	m, err := r.Manifest(ctx, repo, tag)
	if err != nil {
		return err
	}
	info, err := orlop.ParseManifest("", m.Raw)
	if err != nil {
		return err
	}
	for b := range info.Blobs() {
		raw, err := read(ctx, r, b.Digest, 0, -1)
		if err != nil {
			return err
		}
		if digest.FromBytes(raw) != b.Digest {
			return fmt.Errorf("%s has other content", b.Digest)
		}
	}
	return nil
}

// child starts a process that pulls a tag.
func child(t *testing.T, dir, host, tag string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childEnv+"="+dir+"|"+host+"|"+tag)
	cmd.Stderr = os.Stderr
	return cmd
}

// isSound demands that everything in the cache is what its name says.
func isSound(t *testing.T, dir string) {
	t.Helper()
	root := filepath.Join(dir, "blobs", "sha256")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(name)
		if digest.FromBytes(raw).Encoded() != d.Name() {
			t.Errorf("%s has other content", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestManyAtOnce pulls the same artifacts in 50 goroutines and several
// processes through a cache that is too small for them.
func TestManyAtOnce(t *testing.T) {
	srv := testenv.Start(t, testenv.Options{Log: io.Discard})
	dir := filepath.Join(t.TempDir(), "cache")
	tags := []string{"a", "b", "c"}
	for i, tag := range tags {
		srv.PushArtifact(t, repo, tag, bytes.Repeat([]byte(tag), (2*i+1)<<20))
	}
	var processes []*exec.Cmd
	for i := range 6 {
		cmd := child(t, dir, srv.Address, tags[i%len(tags)])
		cmd.Stdout = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, cmd)
	}
	var wg sync.WaitGroup
	reg, own := registry(t, srv.Address), open(t, dir, Options{MaxSize: shared})
	for i := range 50 {
		wg.Go(func() {
			c := own
			if i%2 == 0 { // as another process would
				c = open(t, dir, Options{MaxSize: shared})
			}
			if err := pull(t.Context(), c.Reader(reg), tags[i%len(tags)]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, cmd := range processes {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	isSound(t, dir)
	noTemps(t, dir)
}

// TestKilled kills a process in the middle of a blob: what it had is never
// taken for the blob, and goes away.
func TestKilled(t *testing.T) {
	srv := testenv.Start(t, testenv.Options{Log: io.Discard})
	dir := filepath.Join(t.TempDir(), "cache")
	content := bytes.Repeat([]byte("big"), 2<<20)
	srv.PushArtifact(t, repo, "big", content)
	cmd := child(t, dir, srv.Address, "half")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, len("half"))
	if _, err := io.ReadFull(stdout, said); err != nil || string(said) != "half" {
		t.Fatalf("the process said %q, %v", said, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	left, _ := filepath.Glob(filepath.Join(dir, ingestDir, "*"))
	if len(left) != 1 {
		t.Errorf("the killed process left %v", left)
	}
	isSound(t, dir)
	old := time.Now().Add(-2 * staleAfter)
	for _, name := range left {
		if err := os.Chtimes(name, old, old); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		c := open(t, dir, Options{})
		mustRead(t, c.Reader(registry(t, srv.Address)), digest.FromBytes(content), content)
	}
	isSound(t, dir)
	noTemps(t, dir)
}

// TestSlowDisk gives a blob up rather than wait for a disk that hangs.
func TestSlowDisk(t *testing.T) {
	k := &keeper{pieces: make(chan piece), done: make(chan struct{})} // nobody takes a piece
	if k.write(make([]byte, 2*bufferSize)) {
		t.Error("content was taken that nobody writes")
	}
	k.finish(false)
	if _, ok := <-k.pieces; ok || k.complete {
		t.Error("the content is not given up")
	}
}

// TestCancelled ends reading with the context, also from the cache.
func TestCancelled(t *testing.T) {
	o, dir := newOrigin(), t.TempDir()
	content, dgst := o.blob(t, 2<<20, 1)
	r := open(t, dir, Options{}).Reader(o)
	mustRead(t, r, dgst, content)
	ctx, cancel := context.WithCancel(t.Context())
	b, err := r.OpenBlob(ctx, repo, dgst, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	cancel()
	if _, err := io.Copy(io.Discard, b); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
