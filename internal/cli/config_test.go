package cli

import (
	"io"
	"path/filepath"
	"sync"
	"testing"
)

func TestLoginServer(t *testing.T) {
	for _, c := range []struct {
		name, suffix string
		config       config
		want         string // "" is an error
	}{
		{name: "myregistry", config: config{LoginServer: "myregistry.example:5000"}, want: "myregistry.example:5000"},
		{name: "MyRegistry", config: config{LoginServer: "myregistry.example:5000"}, want: "myregistry.example:5000"},
		{name: "other", config: config{LoginServer: "myregistry.example:5000"}, want: "other.example:5000"},
		{name: "other", config: config{LoginServer: "my.azurecr.localtest"}, want: "other.azurecr.localtest"},
		{name: "myregistry", config: config{LoginServer: "127.0.0.1:5000"}, want: "127.0.0.1:5000"},
		{name: "myregistry", config: config{LoginServer: "[::1]:5000"}, want: "[::1]:5000"},
		{name: "myregistry", config: config{LoginServer: "localhost:5000"}, want: "localhost:5000"},
		{name: "a.example", config: config{LoginServer: "b.example"}, want: "a.example"},
		{name: "localhost:5000", want: "localhost:5000"},
		{name: "localhost", want: "localhost"},
		{name: "a", suffix: ".azurecr.io", config: config{LoginServer: "b.example"}, want: "a.azurecr.io"},
		{name: "a", suffix: "azurecr.localtest:5443", want: "a.azurecr.localtest:5443"},
		{name: "a", config: config{LoginServer: "b.example", LoginServerSuffix: ".corp"}, want: "a.corp"},
		{name: "a", suffix: ".x", config: config{LoginServerSuffix: ".corp"}, want: "a.x"},
		{name: "a"},
	} {
		got, err := c.config.loginServer(c.name, c.suffix)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%q, suffix %q, %+v: got %q, %v, want %q", c.name, c.suffix, c.config, got, err, c.want)
		}
		if err != nil && exitCode(err) != exitUsage {
			t.Errorf("%q: exit code %d, want %d", c.name, exitCode(err), exitUsage)
		}
	}
}

func testEnv(t *testing.T) *Env {
	dir := t.TempDir()
	return &Env{
		Args: []string{"orlop"}, Stdout: io.Discard, Stderr: io.Discard,
		Getenv:    func(string) string { return "" },
		ConfigDir: func() (string, error) { return dir, nil },
	}
}

func TestRememberLogin(t *testing.T) {
	env := testEnv(t)
	if c, err := readConfig(env); err != nil || c != (config{}) {
		t.Fatalf("an absent configuration is %+v, %v", c, err)
	}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if err := rememberLogin(env, "a.example"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	path, _ := configPath(env)
	if c, err := readConfig(env); err != nil || c.LoginServer != "a.example" {
		t.Errorf("remembered %+v, %v", c, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRememberLoginKeepsTheSuffix(t *testing.T) {
	env := testEnv(t)
	path := filepath.Join(t.TempDir(), "own.json")
	env.Getenv = func(name string) string { return map[string]string{"ORLOP_CONFIG": path}[name] }
	write(t, path, `{"loginServerSuffix": ".corp"}`)
	if err := rememberLogin(env, "a.example"); err != nil {
		t.Fatal(err)
	}
	want := config{LoginServer: "a.example", LoginServerSuffix: ".corp"}
	if c, err := readConfig(env); err != nil || c != want {
		t.Errorf("configuration is %+v, %v, want %+v", c, err, want)
	}
}

func TestDamagedConfig(t *testing.T) {
	env := testEnv(t)
	path := filepath.Join(t.TempDir(), "own.json")
	env.Getenv = func(string) string { return path }
	write(t, path, `{"loginServer": `)
	if _, err := readConfig(env); err == nil {
		t.Error("a damaged configuration was accepted")
	}
	if err := rememberLogin(env, "a.example"); err == nil {
		t.Error("a damaged configuration was overwritten")
	}
}
