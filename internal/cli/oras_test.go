package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// realORAS finds the ORAS client, if it is installed, before the test binary
// takes its name in PATH.
var realORAS, _ = exec.LookPath("oras")

// TestLikeORAS runs the same commands with ORAS 1.3 and with orlop against the
// same registry. The lines that they print must be the same, in whatever order
// transfers happen to end.
func TestLikeORAS(t *testing.T) {
	if realORAS == "" {
		t.Skip("oras is not installed: go install oras.land/oras/cmd/oras@v1.3.6")
	}
	registry := "localhost:" + strings.SplitN(startDistribution(t), ":", 2)[1]
	session := `
login REG -u ci -p secret
push REG/REPO:1.0 --config /dev/null:application/vnd.unknown.config.v1+json ./artifact.txt:application/vnd.unknown.layer.v1+txt -a CREATED
push REG/REPO:2,c,b artifact.txt dir/other.txt:text/plain -a CREATED --format json
push REG/REPO:3,latest artifact.txt dir/other.txt:text/plain -a CREATED -a key=value --artifact-type application/x-mine
push REG/REPO:empty -a CREATED
push REG/REPO artifact.txt -a CREATED
push REG/REPO:platform artifact.txt -a CREATED --artifact-platform linux/arm64
push REG/REPO:annotated artifact.txt --annotation-file annotations.json
push REG/REPO:annotated artifact.txt --annotation-file annotations.json --artifact-platform linux/arm64
push REG/REPO:annotated artifact.txt --annotation-file annotations.json --image-spec v1.0
push REG/REPO:same artifact.txt copy.txt -a CREATED
push REG/REPO:same artifact.txt copy.txt -a CREATED
push REG/REPO:same artifact.txt copy.txt -a CREATED --force
push REG/REPO:quiet artifact.txt -a key=value -a CREATED --verbose=false
push REG/REPO:config artifact.txt --config annotations.json:application/x-config -a CREATED
push REG/REPO:spec artifact.txt -a CREATED --image-spec v1.0 --artifact-type application/x-mine
push --oci-layout layout:1,2 artifact.txt -a CREATED
pull --oci-layout layout:1 -o out-layout
pull REG/REPO:3 -o out
pull REG/REPO:3 -o out-quiet --verbose=false
pull REG/REPO:config -o out-config
pull REG/REPO:config -o out-config-json --format json
pull REG/REPO:config -o out-config-named --config config.json
pull REG/REPO:2 -o out-json --format json
pull REG/REPO:2 -o out-template --format go-template={{.reference}}
pull REG/REPO:empty -o out-empty
pull REG/REPO:empty -o out-empty --format json
tag REG/REPO:3 x y
resolve REG/REPO:x
resolve -l REG/REPO:x
resolve --platform linux/arm64 REG/REPO:platform
repo tags REG/REPO
repo tags REG/REPO --format json
repo tags REG/REPO --last 2
repo tags --oci-layout layout
manifest fetch REG/REPO:3
manifest get REG/REPO:3 --pretty
manifest show REG/REPO:3 --format json
manifest fetch REG/REPO:3 --format go-template={{.digest}}{{.content.schemaVersion}}{{.size|add1}}{{.mediaType|upper}}
manifest fetch REG/REPO:3 --descriptor
manifest fetch REG/REPO:3 --descriptor --pretty -o manifest.json
manifest fetch REG/REPO:3 -o -
manifest fetch REG/REPO:platform --platform linux/arm64 --descriptor
manifest fetch REG/REPO:3 --media-type application/vnd.oci.image.index.v1+json,application/vnd.oci.image.manifest.v1+json
manifest fetch --oci-layout layout:1
manifest fetch-config REG/REPO:platform
manifest get-config REG/REPO:platform --pretty
manifest fetch-config REG/REPO:platform --descriptor
manifest fetch-config REG/REPO:platform --descriptor --pretty -o image.json
manifest fetch-config REG/REPO:platform -o -
blob push REG/REPO/blobs artifact.txt
blob push REG/REPO/blobs@ARTIFACT artifact.txt
blob push REG/REPO artifact.txt --descriptor --media-type text/plain --size 24
blob push REG/REPO artifact.txt --descriptor --pretty
blob push --oci-layout blobs artifact.txt
blob fetch REG/REPO@ARTIFACT -o -
blob get REG/REPO@ARTIFACT -o blob --descriptor
blob fetch REG/REPO@ARTIFACT --descriptor --pretty
blob fetch --oci-layout blobs@ARTIFACT --descriptor
blob delete REG/REPO/blobs@ARTIFACT -f
blob rm REG/REPO/blobs@ARTIFACT -f
blob remove REG/REPO@ARTIFACT -f --descriptor
blob delete --oci-layout blobs@ARTIFACT -f
logout REG`
	base := t.TempDir()
	for _, name := range []string{"ours", "theirs"} {
		for _, file := range []string{"artifact.txt", "dir/other.txt"} {
			path := filepath.Join(base, name, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, path, "content of "+file+"\n")
		}
		write(t, filepath.Join(base, name, "copy.txt"), "content of artifact.txt\n")
		write(t, filepath.Join(base, name, "annotations.json"), `{"$config": {"c": "d"}, "artifact.txt": {"e": "f"},
			"$manifest": {"k": "v", "org.opencontainers.image.created": "2020-01-02T03:04:05Z"}}`)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(session), "\n") {
		want := runSession(t, realORAS, registry, filepath.Join(base, "theirs"), line)
		got := runSession(t, "orlop", registry, filepath.Join(base, "ours"), line)
		if !slices.Equal(got, want) {
			t.Errorf("%s\norlop:\n  %s\noras:\n  %s", line, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

// runSession runs one command line in a directory, and returns what it prints,
// sorted by line. Each program has a directory and a repository of its own.
func runSession(t *testing.T, program, registry, dir, line string) []string {
	t.Helper()
	repo := "like-oras/" + filepath.Base(dir)
	replace := strings.NewReplacer("REG", registry, "REPO", repo,
		"CREATED", "org.opencontainers.image.created=2020-01-02T03:04:05Z",
		"ARTIFACT", "sha256:d26e314e89dcf69cdf6bc1bb9e35979ca0c1cad85acb4b4041aacb0c6b7fc576")
	args := strings.Fields(line)
	for i := range args {
		args[i] = replace.Replace(args[i])
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "DOCKER_CONFIG="+dir, "XDG_CONFIG_HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", program, err, out)
	}
	text := strings.NewReplacer(dir, "DIR", repo, "REPO", "'orlop ", "'oras ").Replace(string(out))
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return lines
}
