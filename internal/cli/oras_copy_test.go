package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCopyLikeORAS is TestLikeORAS for cp, backup and restore. Where something
// is there already the lines differ on purpose: orlop says so, also of what it
// has been asked for by name.
func TestCopyLikeORAS(t *testing.T) {
	if realORAS == "" {
		t.Skip("oras is not installed: go install oras.land/oras/cmd/oras@v1.3.6")
	}
	registry := "localhost:" + strings.SplitN(startDistribution(t), ":", 2)[1]
	session := `
login REG -u ci -p secret
push REG/REPO:amd64 artifact.txt -a CREATED --artifact-platform linux/amd64
push REG/REPO:arm64 other.txt -a CREATED --artifact-platform linux/arm64
push REG/REPO:s390x artifact.txt -a CREATED --artifact-platform linux/s390x
manifest index create REG/REPO:all amd64 arm64 s390x
attach REG/REPO:amd64 -a CREATED --artifact-type application/x-note
cp REG/REPO:amd64 REG/REPO/copy:1,2,3
copy REG/REPO:arm64 --to-oci-layout layout:1,2
cp --from-oci-layout layout:1 REG/REPO/from-layout:1
cp -r REG/REPO:amd64 REG/REPO/recursive:1
cp -r REG/REPO:amd64 --to-oci-layout recursive:1
cp REG/REPO:all REG/REPO/all:1 --concurrency 1
cp REG/REPO:all REG/REPO/one:1 --platform linux/arm64
cp REG/REPO:all REG/REPO/two:1 --platform linux/arm64,linux/s390x
cp REG/REPO:all REG/REPO/every:1 --platform linux/arm64,linux/s390x --platform linux/amd64
resolve REG/REPO/two:1
backup -o some REG/REPO:arm64,s390x
backup -o with --include-referrers REG/REPO:amd64
backup -o one.tar REG/REPO:amd64
restore --input with --dry-run REG/REPO/dry
restore --input with REG/REPO/restored
restore --input some REG/REPO/some:arm64
restore --input with --exclude-referrers REG/REPO/without
restore --input one.tar REG/REPO/tar
discover REG/REPO/restored:amd64
discover REG/REPO/without:amd64
logout REG`
	base := t.TempDir()
	for _, name := range []string{"ours", "theirs"} {
		if err := os.Mkdir(filepath.Join(base, name), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"artifact.txt", "other.txt"} {
			write(t, filepath.Join(base, name, file), "content of "+file+"\n")
		}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(session), "\n") {
		want := untimed(runSession(t, realORAS, registry, filepath.Join(base, "theirs"), line))
		got := untimed(runSession(t, "orlop", registry, filepath.Join(base, "ours"), line))
		if !slices.Equal(got, want) {
			t.Errorf("%s\norlop:\n  %s\noras:\n  %s", line, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

// untimed leaves out of lines how long things took and how large a tar file is,
// which holds index.json in other words.
func untimed(lines []string) []string {
	for i, line := range lines {
		line = regexp.MustCompile(` in [0-9.]+m?s`).ReplaceAllString(line, " in TIME")
		lines[i] = regexp.MustCompile(`\([0-9.]+ +KB\)`).ReplaceAllString(line, "(SIZE)")
	}
	return lines
}
