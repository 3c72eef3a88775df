//go:build unix

package files

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pullInto names the environment variable by which a process of this test binary
// is one that pulls into that folder and never comes to an end.
const pullInto = "ORLOP_TEST_PULL_INTO"

// killedText is so large that a part of it is on disk when the most is read.
var killedText = string(someText(4 << 20))

func TestMain(m *testing.M) {
	if dir := os.Getenv(pullInto); dir != "" {
		pullAndHang(dir)
	}
	os.Exit(m.Run())
}

func pullAndHang(dir string) {
	target, err := OpenTarget(dir, TargetOptions{})
	if err != nil {
		os.Exit(1)
	}
	target.Restore(context.Background(), "f", describeString(killedText), func(context.Context, int64) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(killedText[:3<<20]), hanging{})), nil
	})
	os.Exit(1)
}

// hanging says that it was read, and never returns.
type hanging struct{}

func (hanging) Read([]byte) (int, error) {
	io.WriteString(os.Stdout, "hanging\n")
	for {
		time.Sleep(time.Hour)
	}
}

// A pull that is killed leaves a part. While the process lives, nobody else
// touches it; then the next pull goes on with it.
func TestKilledPullGoesOn(t *testing.T) {
	b := newBox(t, TargetOptions{})
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), pullInto+"="+filepath.Join(b.dir, "out"))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "hanging\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	r := recorder{content: killedText}
	if _, err := b.target.Restore(t.Context(), "f", describeString(killedText), r.open); err != nil || len(r.offsets) != 1 || r.offsets[0] != 0 {
		t.Errorf("while the other lives: %v, from %v", err, r.offsets)
	}
	if len(b.partsOf(t)) != 1 {
		t.Errorf("parts: %v", b.partsOf(t))
	}
	child.Process.Kill()
	child.Wait()
	os.Remove(filepath.Join(b.dir, "out", "f"))
	r = recorder{content: killedText}
	if _, err := b.target.Restore(t.Context(), "f", describeString(killedText), r.open); err != nil || len(r.offsets) != 1 || r.offsets[0] < 1<<20 {
		t.Errorf("after the kill: %v, from %v", err, r.offsets)
	}
	b.wantTree(t, map[string]string{"out/f": killedText})
}
