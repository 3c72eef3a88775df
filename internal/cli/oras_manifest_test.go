package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestManifestsLikeORAS is TestLikeORAS for attach, discover, manifests, indexes
// and lists of tags. Subjects differ on purpose where ORAS has a platform, or
// annotations of an image layout in them: orlop gives them type, digest and size.
func TestManifestsLikeORAS(t *testing.T) {
	if realORAS == "" {
		t.Skip("oras is not installed: go install oras.land/oras/cmd/oras@v1.3.6")
	}
	registry := "localhost:" + strings.SplitN(startDistribution(t), ":", 2)[1]
	session := `
login REG -u ci -p secret
push REG/REPO:1,2 artifact.txt -a CREATED
push REG/REPO:amd64 artifact.txt -a CREATED --artifact-platform linux/amd64
push REG/REPO:arm artifact.txt -a CREATED --artifact-platform linux/arm/v7
push REG/REPO:old artifact.txt -a CREATED --config /dev/null:application/x-config --export-manifest old.json
push --oci-layout layout:1,2 artifact.txt -a CREATED
attach REG/REPO:1 artifact.txt other.txt:text/plain --artifact-type doc/a -a CREATED -a k=v -a n=1 -a t=true -a q=a:b
attach REG/REPO:1 --artifact-type doc/b -a CREATED -a y=yes --format json
attach REG/REPO:2 --artifact-type doc/b --annotation-file annotations.json --format go-template={{.digest}}{{.artifactType}}
attach REG/REPO:1 artifact.txt --config other.txt:text/config --artifact-type doc/c -a CREATED --export-manifest m.json
attach REG/REPO:1 artifact.txt --distribution-spec v1.1-referrers-tag --artifact-type doc/d -a CREATED
discover REG/REPO:1 --artifact-type doc/d
discover REG/REPO:1 --format tree --depth 1 -v=false
discover REG/REPO:1 --format json
discover REG/REPO:1 --format table
discover REG/REPO:1 --format table --verbose=false
discover REG/REPO:1 --artifact-type doc/none
discover REG/REPO:1 --format go-template={{range.referrers}}{{.artifactType}}{{end}}
manifest index create REG/REPO:index,more amd64 arm 1 old -a key=<value> --artifact-type application/x-index
manifest index pack REG/REPO index amd64
manifest index create REG/REPO:empty
manifest index create REG/REPO amd64 arm --output -
manifest index create REG/REPO amd64 arm --output - --pretty
manifest index create REG/REPO amd64 arm --output index.json
manifest index create --oci-layout layout:index,again 1
resolve REG/REPO:index --platform linux/arm
manifest index update REG/REPO:index --add old --add 1 --merge more --tag x --tag y --artifact-type application/x-other
manifest index update REG/REPO:x --artifact-type= -o -
manifest index update REG/REPO:x --add old -o index.json
manifest index update REG/REPO:x
manifest index update --oci-layout layout:index --add 2
manifest push REG/REPO:pushed,again,thrice old.json
manifest push REG/REPO:pushed,four old.json
manifest push REG/REPO:pushed old.json --verbose=false
manifest push REG/REPO old.json
manifest push REG/REPO:five old.json --descriptor
manifest push REG/REPO:five old.json --descriptor --pretty
manifest push REG/REPO:media index.json --media-type application/vnd.oci.image.index.v1+json
tag REG/REPO:1 a b c --concurrency 2
tag --oci-layout layout:1 a b
digest -l REG/REPO:a
repo show-tags REG/REPO
repo tags REG/REPO --exclude-digest-tags --format json
repo tags REG/REPO --format go-template={{.tags|len}}
repo tags --oci-layout layout
manifest delete REG/REPO:five --force
manifest rm REG/REPO:five -f
manifest remove REG/REPO:media -f --descriptor --pretty
manifest delete REG/REPO:2 --force --distribution-spec v1.1-referrers-tag
manifest delete --oci-layout layout:a -f
logout REG`
	base := t.TempDir()
	for _, name := range []string{"ours", "theirs"} {
		if err := os.Mkdir(filepath.Join(base, name), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"artifact.txt", "other.txt"} {
			write(t, filepath.Join(base, name, file), "content of "+file+"\n")
		}
		write(t, filepath.Join(base, name, "annotations.json"),
			`{"$manifest": {"k": "v", "org.opencontainers.image.created": "2020-01-02T03:04:05Z"}}`)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(session), "\n") {
		want := runSession(t, realORAS, registry, filepath.Join(base, "theirs"), line)
		got := runSession(t, "orlop", registry, filepath.Join(base, "ours"), line)
		if !slices.Equal(got, want) {
			t.Errorf("%s\norlop:\n  %s\noras:\n  %s", line, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}
