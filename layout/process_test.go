package layout_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/orlop/orlop/layout"
)

// childEnv makes the test binary push to the layout that it names instead. The
// prefixes batch and tar make it a batch, and a tar file.
const childEnv = "ORLOP_TEST_LAYOUT"

// TestChild is not a test by itself: it pushes artifacts and prints the tag of
// each when it is there.
func TestChild(t *testing.T) {
	dir, rest, ok := strings.Cut(os.Getenv(childEnv), "|")
	if !ok {
		t.Skip("run by other tests")
	}
	prefix, count := rest, 0
	if _, err := fmt.Sscanf(rest, "%s %d", &prefix, &count); err != nil {
		t.Fatal(err)
	}
	open := layout.Open
	if prefix == "tar" {
		open = layout.CreateTar
	}
	r, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if prefix == "batch" {
		r.Batch()
	}
	for i := range count {
		tag := fmt.Sprintf("%s-%d", prefix, i)
		if _, err := tryPush(t, r, "the text of "+tag, tag); err != nil {
			t.Fatal(err)
		}
		fmt.Println("pushed", tag)
	}
}

// child starts a process that pushes count artifacts with tags of a prefix.
func child(t *testing.T, dir, prefix string, count int) (cmd *exec.Cmd, pushed *bufio.Scanner) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s %d", childEnv, dir, prefix, count))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

func TestProcessesAtOnce(t *testing.T) {
	dir := t.TempDir()
	create(t, dir)
	const processes, count = 6, 15
	var wg sync.WaitGroup
	for p := range processes {
		cmd, pushed := child(t, dir, fmt.Sprint("p", p), count)
		wg.Go(func() {
			for pushed.Scan() {
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r := create(t, dir)
	for p := range processes {
		for i := range count {
			tag := fmt.Sprintf("p%d-%d", p, i)
			wantText(t, r, tag, "the text of "+tag)
		}
	}
}

// Whenever a process is killed, what it said to be there is there, and nothing
// is there by half.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	create(t, dir)
	var acknowledged []string
	for round := range 8 {
		cmd, pushed := child(t, dir, fmt.Sprint("round", round), 1000)
		for range round + 1 {
			for pushed.Scan() {
				if tag, ok := strings.CutPrefix(pushed.Text(), "pushed "); ok {
					acknowledged = append(acknowledged, tag)
					break
				}
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for pushed.Scan() { // what it said before it died
			if tag, ok := strings.CutPrefix(pushed.Text(), "pushed "); ok {
				acknowledged = append(acknowledged, tag)
			}
		}
		cmd.Wait() // "signal: killed"
		r := create(t, dir)
		for _, tag := range acknowledged {
			wantText(t, r, tag, "the text of "+tag)
		}
		for tag, err := range r.Tags(t.Context(), "", "") {
			if err != nil {
				t.Fatal(err)
			}
			wantText(t, r, tag, "the text of "+tag)
		}
		push(t, r, "after", "after-"+fmt.Sprint(round)) // the lock is free
		if err := r.DeleteTag(t.Context(), "", "after-"+fmt.Sprint(round)); err != nil {
			t.Fatal(err)
		}
	}
	if len(acknowledged) < 36 {
		t.Errorf("%d pushes were acknowledged", len(acknowledged))
	}
	left, err := filepath.Glob(filepath.Join(dir, "ingest", "*"))
	if err != nil || len(left) > 8 {
		t.Errorf("%d files left behind, %v", len(left), err)
	}
}
