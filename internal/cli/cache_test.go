package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseCacheSize(t *testing.T) {
	for s, want := range map[string]int64{
		"": defaultCacheSize, "0": 0, "500": 500, "1KiB": 1 << 10, "500 MiB": 500 << 20, "10GiB": 10 << 30, "2TiB": 2 << 40,
		"-1": -1, "1GB": -1, "GiB": -1, "9999999TiB": -1, "9223372036854775808": -1, "1.5GiB": -1, "x": -1,
	} {
		got, err := parseCacheSize(s)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
}

// TestCacheOfORAS reads with one program what the other has kept, after the
// registry has lost it.
func TestCacheOfORAS(t *testing.T) {
	if realORAS == "" {
		t.Skip("oras is not installed: go install oras.land/oras/cmd/oras@v1.3.6")
	}
	registry := "localhost:" + strings.SplitN(startDistribution(t), ":", 2)[1]
	for _, programs := range [][2]string{{realORAS, "orlop"}, {"orlop", realORAS}} {
		dir := t.TempDir()
		run := func(program string, args ...string) string {
			t.Helper()
			cmd := exec.CommandContext(t.Context(), program, args...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "HOME="+dir, "DOCKER_CONFIG="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir,
				"ORAS_CACHE="+filepath.Join(dir, "cache"))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s %s: %v\n%s", program, args, err, out)
			}
			return string(out)
		}
		write(t, filepath.Join(dir, "artifact.txt"), "content")
		artifact := registry + "/by-" + filepath.Base(programs[0]) + ":1"
		run("orlop", "login", registry, "-u", "ci", "-p", "secret")
		run("orlop", "push", artifact, "artifact.txt")
		run(programs[0], "pull", artifact, "-o", "first")
		blob := strings.TrimSuffix(artifact, ":1") + "@sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
		run("orlop", "blob", "delete", blob, "-f")
		run(programs[1], "pull", artifact, "-o", "second")
		if raw, err := os.ReadFile(filepath.Join(dir, "second", "artifact.txt")); string(raw) != "content" {
			t.Errorf("%s got %q, %v", programs[1], raw, err)
		}
		// An index that names what is gone disturbs neither.
		if err := os.RemoveAll(filepath.Join(dir, "cache", "blobs")); err != nil {
			t.Fatal(err)
		}
		for _, program := range programs {
			run(program, "manifest", "fetch", artifact)
		}
	}
}
