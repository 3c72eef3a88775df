package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/gc"
)

// TestGC runs a cycle beside a server, which has the data directory, and without
// one.
func TestGC(t *testing.T) {
	data := t.TempDir()
	check := func(where string) {
		t.Helper()
		code, out, stderr := run(t, t.Context(), nil, "gc", "--data", data, "--format", "json")
		var report gc.Report
		if err := json.Unmarshal([]byte(out), &report); code != exitOK || err != nil {
			t.Errorf("%s: exit code %d, %v: %s%s", where, code, err, out, stderr)
		}
		code, out, stderr = run(t, t.Context(), nil, "gc", "--data", data)
		if code != exitOK || !strings.Contains(out, "freed:") {
			t.Errorf("%s: exit code %d: %s%s", where, code, out, stderr)
		}
		code, out, stderr = run(t, t.Context(), nil, "gc", "--data", data, "--dry-run", "--kept")
		if code != exitOK || !strings.Contains(out, "0 would be removed") {
			t.Errorf("%s: exit code %d: %s%s", where, code, out, stderr)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready := make(chan struct{})
	served := make(chan int)
	go func() {
		served <- Run(ctx, Env{
			Args:    []string{"--data", data, "--listen", "127.0.0.1:0"},
			Environ: []string{"ORLOPD_ADMIN_PASSWORD=s3cret"}, Stdout: &until{text: "orlop push", then: func() { close(ready) }}, Stderr: &bytes.Buffer{},
		})
	}()
	<-ready
	check("beside a server")
	if err := os.Remove(filepath.Join(data, "run", "control.sock")); err != nil {
		t.Error(err)
	}
	if code, _, stderr := run(t, t.Context(), nil, "gc", "--data", data); code != exitFailed || !strings.Contains(stderr, "another orlopd") {
		t.Errorf("beside a server that cannot be reached: exit code %d: %s", code, stderr)
	}
	cancel()
	if code := <-served; code != exitOK {
		t.Errorf("the server ended with %d", code)
	}
	check("without a server")
}

func TestGCWrongUse(t *testing.T) {
	for _, args := range [][]string{{"gc", "--format", "xml"}, {"gc", "--kept"}, {"gc", "x"}} {
		if code, _, stderr := run(t, t.Context(), nil, args...); code != exitWrongUse || !strings.Contains(stderr, "hint: ") {
			t.Errorf("%v: exit code %d: %s", args, code, stderr)
		}
	}
}
