package daemon

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/migrate"
	"github.com/orlop/orlop/internal/testenv"
)

// TestMigrate moves a registry from one directory to another, as a person would,
// with the server running until the last pass.
func TestMigrate(t *testing.T) {
	source, target := t.TempDir(), filepath.Join(t.TempDir(), "new")
	file := filepath.Join(t.TempDir(), "orlopd.yaml")
	if err := os.WriteFile(file, []byte("data: "+target+"\nblobs: file:"+target+"-blobs\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := testenv.Start(t, testenv.Options{Data: source})
	s.PushArtifact(t, "a/b", "v1", bytes.Repeat([]byte("content"), 20_000))

	for _, wrong := range [][]string{
		{"migrate"}, {"migrate", "--from", source}, {"migrate", "--from", source, "--to", target, "--format", "xml"},
		{"migrate", "--from", source, "--to", target, "--data", source}, {"migrate", "--from", source, "--to", target, "--reopen"},
	} {
		if code, _, stderr := run(t, t.Context(), nil, wrong...); code != exitWrongUse || !strings.Contains(stderr, "hint") {
			t.Errorf("%v: exit %d, %s", wrong, code, stderr)
		}
	}
	if code, _, stderr := run(t, t.Context(), nil, "migrate", "--from", filepath.Join(source, "none"), "--to", file); code != exitFailed || !strings.Contains(stderr, "no registry") {
		t.Errorf("from an empty place: exit %d, %s", code, stderr)
	}
	code, stdout, stderr := run(t, t.Context(), nil, "migrate", "--from", source, "--to", file)
	if code != exitOK || !strings.Contains(stdout, "copied 1 objects (136.7 KiB)") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	if code, _, stderr := run(t, t.Context(), nil, "migrate", "--from", source, "--to", file, "--finish"); code != exitFailed || !strings.Contains(stderr, "another orlopd") {
		t.Errorf("finish beside a server: exit %d, %s", code, stderr)
	}
	if code, _, stderr := run(t, t.Context(), nil, "serve", "--config", file, "--listen", "127.0.0.1:0"); code != exitFailed || !strings.Contains(stderr, "not whole") {
		t.Errorf("serve what is not whole: exit %d, %s", code, stderr)
	}
	s.PushArtifact(t, "a/b", "v2", []byte("late"))
	s.Stop()
	code, stdout, stderr = run(t, t.Context(), nil, "migrate", "--from", source, "--to", file, "--finish", "--format", "json")
	var report migrate.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != exitOK || !report.Finished || report.Objects != 0 || report.Equality.Objects != 1 {
		t.Errorf("exit %d: %v %s%s", code, err, stdout, stderr)
	}
	if code, _, stderr := run(t, t.Context(), nil, "serve", "--data", source, "--listen", "127.0.0.1:0"); code != exitFailed || !strings.Contains(stderr, "was moved to "+target) {
		t.Errorf("serve what has moved: exit %d, %s", code, stderr)
	}
	moved := testenv.Start(t, testenv.Options{Data: target, Configure: func(c *config.Config) {
		c.Blobs = config.Blobs{Kind: config.BlobsInDir, Dir: target + "-blobs"}
	}})
	for _, tag := range []string{"v1", "v2"} {
		if resp, body := moved.Do(t, "GET", "/v2/a/b/manifests/"+tag, nil); resp.StatusCode != 200 {
			t.Errorf("%s at the new place: %s: %s", tag, resp.Status, body)
		}
	}
	if code, stdout, stderr := run(t, t.Context(), nil, "migrate", "--from", source, "--reopen"); code != exitOK {
		t.Errorf("reopen: exit %d, %s%s", code, stdout, stderr)
	}
	testenv.Start(t, testenv.Options{Data: source}).Stop()
}
