package credential

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/orlop/orlop/remote/auth"
)

// home makes an empty home, with none of the files of credentials.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("DOCKER_CONFIG", "")
	t.Setenv("REGISTRY_AUTH_FILE", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
	return dir
}

// keep writes a file that has a credential of the user for each host.
func keep(t *testing.T, path, user string, hosts ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	var entries []string
	for _, h := range hosts {
		entries = append(entries, `"`+h+`": {"auth": "`+basic(auth.Credential{Username: user, Password: "p"})+`"}`)
	}
	content := `{"auths": {` + strings.Join(entries, ", ") + `}}`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDefaultFiles(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the files lie elsewhere")
	}
	dir := home(t)
	envFile := filepath.Join(dir, "env.json")
	keep(t, envFile, "env", "1.example")
	keep(t, filepath.Join(dir, ".docker", "config.json"), "docker", "1.example", "2.example")
	keep(t, filepath.Join(dir, "run", "containers", "auth.json"), "run", "1.example", "2.example", "3.example")
	keep(t, filepath.Join(dir, ".config", "containers", "auth.json"), "config", "1.example", "2.example", "3.example", "4.example")
	check := func(users ...string) {
		t.Helper()
		s := open(t)
		for i, host := range []string{"1.example", "2.example", "3.example", "4.example"} {
			if c, err := s.Get(t.Context(), host, ""); err != nil || c.Username != users[i] {
				t.Errorf("Get(%q) = %v, %v, want %s", host, c, err, users[i])
			}
		}
	}
	check("docker", "docker", "run", "config")
	t.Setenv("REGISTRY_AUTH_FILE", envFile)
	check("env", "docker", "run", "config")
}

func TestWhereALoginIsKept(t *testing.T) {
	dir := home(t)
	docker := filepath.Join(dir, ".docker", "config.json")
	podman := filepath.Join(dir, "run", "containers", "auth.json")
	keep(t, podman, "run", "reg.example")
	before := read(t, podman)
	put := func() {
		t.Helper()
		if err := open(t).Put(t.Context(), "reg.example", auth.Credential{Username: "new", Password: "p"}); err != nil {
			t.Fatal(err)
		}
	}
	put()
	if read(t, podman) != before || !strings.Contains(read(t, docker), "reg.example") {
		t.Errorf("Docker's file is %s", read(t, docker))
	}
	if err := open(t).Delete(t.Context(), "reg.example"); err != nil {
		t.Fatal(err)
	}
	if where, err := open(t).Source(t.Context(), "reg.example"); err != nil || where != podman && runtime.GOOS == "linux" {
		t.Errorf("Source after Delete = %q, %v", where, err)
	}
	before = read(t, docker)
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, "new", "auth.json"))
	put()
	if read(t, docker) != before || !strings.Contains(read(t, filepath.Join(dir, "new", "auth.json")), "reg.example") {
		t.Error("a login went past REGISTRY_AUTH_FILE")
	}
}

func TestMalformedContainersFile(t *testing.T) {
	dir := home(t)
	path := filepath.Join(dir, ".config", "containers", "auth.json")
	keep(t, path, "u", "reg.example")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open: %v, want the file's name", err)
	}
}

// TestContainersFileOfAnother goes on where XDG_RUNTIME_DIR is that of another
// user, as it is after su.
func TestContainersFileOfAnother(t *testing.T) {
	if os.Getuid() == 0 || runtime.GOOS != "linux" {
		t.Skip("root may read everything")
	}
	dir := home(t)
	run := filepath.Join(dir, "run", "containers")
	keep(t, filepath.Join(run, "auth.json"), "run", "reg.example")
	if err := os.Chmod(run, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(run, 0o700) })
	if c, err := open(t).Get(t.Context(), "reg.example", ""); err != nil || !c.IsZero() {
		t.Errorf("Get = %v, %v", c, err)
	}
}

func TestRepositoryKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.json")
	entry := func(key, user string) string {
		return `"` + key + `": {"auth": "` + basic(auth.Credential{Username: user, Password: "p"}) + `"}`
	}
	content := `{"auths": {` + strings.Join([]string{
		entry("reg.example/team/app/image", "image"), entry("reg.example/team", "team"), entry("reg.example", "host"),
		entry("scoped.example/team", "team"), entry("https://old.example/v1/", "old"), entry("url.example/v2", "url"),
		entry("docker.io/library", "library"),
	}, ", ") + `}}`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	for _, tt := range []struct{ host, repo, want string }{
		{"reg.example", "team/app/image", "image"},
		{"reg.example", "team/app/image2", "team"},
		{"reg.example", "team/app/image/x", "image"},
		{"reg.example", "team", "team"},
		{"reg.example", "teams", "host"},
		{"reg.example", "", "host"},
		{"reg.example", "other/team", "host"},
		{"scoped.example", "team/x", "team"},
		{"scoped.example", "other", ""},
		{"scoped.example", "", ""},
		{"scoped.example.evil", "team/x", ""},
		{"old.example", "v1/x", "old"},
		{"url.example", "x", "url"},
		{"registry-1.docker.io", "library/x", "library"},
		{"docker.io", "other/x", ""},
	} {
		if c, err := s.Get(t.Context(), tt.host, tt.repo); err != nil || c.Username != tt.want {
			t.Errorf("Get(%q, %q) = %v, %v, want %q", tt.host, tt.repo, c, err, tt.want)
		}
	}
	// A logout from the registry leaves what is kept for repositories of it.
	if err := s.Delete(t.Context(), "reg.example"); err != nil {
		t.Fatal(err)
	}
	if c, _ := s.Get(t.Context(), "reg.example", "team/x"); c.Username != "team" {
		t.Errorf("after Delete: %v", c)
	}
	if _, err := s.Get(t.Context(), "reg.example", "a\nb"); err == nil {
		t.Error("a repository with a newline was accepted")
	}
}

// TestContainersHelper asks a helper that podman's file names.
func TestContainersHelper(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper is a shell script")
	}
	dir := home(t)
	path := filepath.Join(dir, ".config", "containers", "auth.json")
	keep(t, path, "u")
	if err := os.WriteFile(path, []byte(`{"auths": {"reg.example": {}}, "credHelpers": {"reg.example": "fixed"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := "#!/bin/sh\n[ \"$1\" = get ] && echo '{\"Username\": \"<token>\", \"Secret\": \"identity\"}'\n"
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-fixed"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	if c, err := open(t).Get(t.Context(), "reg.example", "team/app"); err != nil || c.RefreshToken != "identity" {
		t.Errorf("Get = %v, %v", c, err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".docker")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a read made Docker's folder")
	}
}
