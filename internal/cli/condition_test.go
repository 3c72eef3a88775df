package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/orlop/orlop/internal/testenv"
)

// racers is how many programs want the same tag at once.
const racers = 8

// TestOneOfManyWins lets several programs push different content under a tag that
// none may have yet, and then move it from where it is: each time one of them
// gets its way, is told so, and the tag names what it has pushed; the others are
// told that they came too late.
func TestOneOfManyWins(t *testing.T) {
	srv := testenv.Start(t, testenv.Options{Log: io.Discard})
	dir := t.TempDir()
	run := func(args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Args[0] = "orlop"
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "DOCKER_CONFIG="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir)
		cmd.Stdin = strings.NewReader(testenv.AdminPassword)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run() // the code tells
		return out.String(), cmd.ProcessState.ExitCode()
	}
	if out, code := run("login", srv.Address, "-u", "admin", "--password-stdin"); code != 0 {
		t.Fatal(out)
	}
	tag := srv.Address + "/samples/race:1"
	condition := []string{"--if-none-match"}
	for round := range 3 {
		outs, codes := race(t, dir, round, tag, condition, run)
		var won []int
		for i, code := range codes {
			switch code {
			case exitOK:
				won = append(won, i)
			case exitCondition:
			default:
				t.Errorf("round %d, %d: exit code %d: %s", round, i, code, outs[i])
			}
		}
		if len(won) != 1 {
			t.Fatalf("round %d: %d have won: %v", round, len(won), outs)
		}
		there, _ := run("resolve", tag)
		there = strings.TrimSpace(there)
		if !strings.Contains(outs[won[0]], "Digest: "+there) {
			t.Errorf("round %d: the tag names %s, and who has won has pushed\n%s", round, there, outs[won[0]])
		}
		condition = []string{"--if-match", there}
	}
}

// race pushes at once and returns what the programs said and their exit codes.
func race(t *testing.T, dir string, round int, tag string, condition []string, run func(...string) (string, int)) (outs [racers]string, codes [racers]int) {
	t.Helper()
	var files [racers]string
	for i := range racers {
		files[i] = fmt.Sprintf("%d-%d.txt", round, i)
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			<-start
			outs[i], codes[i] = run(append([]string{"push", tag, files[i]}, condition...)...)
		})
	}
	close(start)
	wg.Wait()
	return outs, codes
}
