package test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/orlop/orlop/internal/testenv"
)

// TestFailedSyncs lets the kernel fail to sync files of the real server while
// clients work: each time, or now and then. What is not durable is refused, what
// is stored stays readable meanwhile, and after a restart everything that was
// acknowledged is there.
func TestFailedSyncs(t *testing.T) {
	strace, err := exec.LookPath("strace")
	need(t, err == nil, "strace is not installed")
	for name, when := range map[string]string{"each": "", "some": ":when=2+5"} {
		t.Run(name, func(t *testing.T) {
			data, books := t.TempDir(), newLedger()
			p := testenv.StartProcess(t, testenv.ProcessOptions{Data: data, Log: io.Discard})
			c := &crowd{clients: []*api{newAPI(t, &p.Server)}, books: books, failed: refusals(t)}
			c.workFor(t, 60)
			detach := attach(t, strace, p.Pid(), "inject=fsync,fdatasync:error=EIO"+when)
			refused := c.workUntilRefused(t, 30)
			books.look(t, c.clients[0])
			detach()
			p.Kill()

			p = testenv.StartProcess(t, testenv.ProcessOptions{Data: data})
			books.verify(t, &p.Server)
			t.Logf("%d requests refused; %s", refused, books)
		})
	}
}

// workUntilRefused lets the crowd work until the server has refused n requests,
// and returns how many it was. It may not go away, nor blame the client.
func (c *crowd) workUntilRefused(t *testing.T, n int64) int64 {
	t.Helper()
	var refused atomic.Int64
	c.seed++
	c.failed = func(err error) bool {
		e, ok := errors.AsType[*statusError](err)
		if !ok || e.status < 500 {
			t.Error(err)
			return false
		}
		return refused.Add(1) < n
	}
	c.work(t.Context())
	return refused.Load()
}

// attach lets strace tamper with a process until detach is called.
func attach(t *testing.T, strace string, pid int, tamper string) (detach func()) {
	t.Helper()
	cmd := exec.Command(strace, "-f", "-o", os.DevNull, "-e", "trace=fsync,fdatasync", "-e", tamper, "-p", strconv.Itoa(pid))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	attached := false
	for !attached && lines.Scan() {
		attached = strings.Contains(lines.Text(), "attached")
		if !attached {
			t.Logf("strace: %s", lines.Text())
		}
	}
	need(t, attached, "strace cannot attach to a process here")
	go func() {
		for lines.Scan() { // threads that come later
		}
	}()
	return func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
}
