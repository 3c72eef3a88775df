package fs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/orlop/orlop/internal/blob/blobtest"
)

// orderDir names the directory that a traced process is to put one object in.
const orderDir = "ORLOP_TEST_ORDER_DIR"

// TestOrderOfSystemCalls looks at what the kernel is asked for when the first
// object of a directory is committed: content, new directory, name, in this
// order. The crash tests trust fsys to make these calls.
func TestOrderOfSystemCalls(t *testing.T) {
	if dir := os.Getenv(orderDir); dir != "" {
		blobtest.Put(t, openDir(t, dir), "ab-key", blobtest.Content(1, 3<<20))
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-y", "-o", trace,
		"-e", "trace=fsync,fdatasync,mkdirat,renameat,renameat2,sync_file_range",
		os.Args[0], "-test.run=^TestOrderOfSystemCalls$", "-test.count=1")
	cmd.Env = append(os.Environ(), orderDir+"="+filepath.Join(dir, "blobs"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("strace does not work here: %v\n%s", err, out)
	}
	checkOrder(t, trace, []string{
		`sync_file_range\(.*uploads/ab-key>`,
		`fdatasync\(.*uploads/ab-key>`,
		`mkdirat\(.*data>, "ab"`,
		`fsync\(.*blobs/data>`,
		`renameat2?\(.*uploads>, "ab-key", .*data/ab>, "ab-key"`,
		`fsync\(.*data/ab>`,
	})
}

// checkOrder looks for lines in a trace, each after the one before.
func checkOrder(t *testing.T, trace string, want []string) {
	t.Helper()
	content, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	rest := content
	for _, pattern := range want {
		at := regexp.MustCompile(pattern).FindIndex(rest)
		if at == nil {
			t.Fatalf("%s is missing or too early in\n%s", pattern, content)
		}
		rest = rest[at[1]:]
	}
}
