package test

import (
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/testenv"
)

// TestMigrateKilled moves a registry from one directory to another with the real
// programs, while a crowd works at it and the move is killed at random moments:
// what was acknowledged is there at the end.
func TestMigrateKilled(t *testing.T) {
	binary := testenv.Binary(t, "orlopd")
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
	migrate := func(more ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), binary, append([]string{"migrate", "--from", source, "--to", target}, more...)...)
	}
	p, books := testenv.StartProcess(t, testenv.ProcessOptions{Data: source, Log: io.Discard}), newLedger()
	c := &crowd{clients: []*api{newAPI(t, &p.Server)}, books: books, failed: refusals(t)}
	c.workFor(t, 100)

	var moving sync.WaitGroup
	kills, ended := 0, 0
	moving.Go(func() {
		for range rounds("ORLOP_MIGRATE_ROUNDS", 12) {
			cmd := migrate()
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			killer := time.AfterFunc(rand.N(150*time.Millisecond), func() { _ = cmd.Process.Kill() })
			if cmd.Wait() == nil {
				ended++
			}
			if !killer.Stop() {
				kills++
			}
		}
	})
	c.workFor(t, 200)
	moving.Wait()
	if out, err := migrate().CombinedOutput(); err != nil {
		t.Fatalf("a pass beside the server: %v\n%s", err, out)
	}
	books.verify(t, &p.Server) // also ends the uploads that are open: these do not go
	p.Stop()
	out, err := migrate("--finish").CombinedOutput()
	if err != nil {
		t.Fatalf("the last pass: %v\n%s", err, out)
	}
	books.verify(t, &testenv.StartProcess(t, testenv.ProcessOptions{Data: target}).Server)
	t.Logf("%d passes were killed, %d ended; %s%s", kills, ended, out, books)
}
