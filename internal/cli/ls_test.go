package cli

import (
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/internal/files"
)

// TestLsEscapes: no name of a file, no media type and no annotation reaches a
// terminal as it is.
func TestLsEscapes(t *testing.T) {
	a := newArtifacts(t)
	d := a.blob("x", "evil\x1b[2J\u202e\nname")
	d.MediaType = "text/\x1b[31m"
	a.manifest(nil, []ocispec.Descriptor{d}, "1")
	a.manifest(nil, []ocispec.Descriptor{a.blob("y", "\x07")}, "2")
	for _, args := range [][]string{{"ls", "--oci-layout", "lay:1"}, {"diff", "--from-oci-layout", "lay:1", "--to-oci-layout", "lay:2"}} {
		code, stdout, stderr := run(t, t.Context(), testEnv(t), args...)
		if code != 0 || strings.ContainsAny(stdout+stderr, "\x1b\u202e\x07") || !strings.Contains(stdout, `evil\x1b[2J\u202e\x0aname`) {
			t.Errorf("%s: exit code %d\n%q%q", args[0], code, stdout, stderr)
		}
	}
}

// TestLsDamaged: a packed directory that cannot be read is an error, which
// names it.
func TestLsDamaged(t *testing.T) {
	a := newArtifacts(t)
	d := a.blob("no archive", "dir")
	d.Annotations[files.AnnotationUnpack] = "true"
	a.manifest(nil, []ocispec.Descriptor{d}, "1")
	if code, stdout, stderr := run(t, t.Context(), testEnv(t), "ls", "--oci-layout", "lay:1"); code != 0 || !strings.Contains(stdout, " dir/\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, stderr := run(t, t.Context(), testEnv(t), "ls", "-r", "--oci-layout", "lay:1")
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, `Error: list "dir": `) {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// TestDiffIndexes: of indexes the files of each platform are compared.
func TestDiffIndexes(t *testing.T) {
	a := newArtifacts(t)
	index := func(tag, amd, arm string) {
		x := a.manifest(nil, []ocispec.Descriptor{a.blob(amd, "tool")})
		y := a.manifest(nil, []ocispec.Descriptor{a.blob(arm, "tool")})
		x.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
		y.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64"}
		a.index(tag, x, y)
	}
	index("1", "amd", "arm")
	index("2", "amd", "new arm")
	code, stdout, stderr := run(t, t.Context(), testEnv(t), "diff", "--from-oci-layout", "lay:1", "--to-oci-layout", "lay:2")
	if code != 0 || !strings.Contains(stdout, "Files:\n  ~ tool (linux/arm64): ") || strings.Contains(stdout, "amd64") ||
		!strings.HasSuffix(stdout, "Shared: 2 blobs, 5 B\nNew: 1 blob, 7 B\nGone: 1 blob, 3 B\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}
