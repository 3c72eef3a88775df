package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/testenv"
)

// identityRegistry trades the identity token "identity" for an access token.
func identityRegistry(t *testing.T) *testenv.Liar {
	t.Helper()
	l := testenv.StartLiar(t, testenv.LiarOptions{})
	l.AddArtifact(t, "v1", l.AddBlob("f", []byte("content")))
	l.Challenge(fmt.Sprintf(`Bearer realm=%q,service="s"`, l.URL("/token")))
	l.On("", "/token", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("grant_type") != "refresh_token" || r.FormValue("refresh_token") != "identity" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"access_token":"access","expires_in":300}`)
	})
	return l
}

// TestIdentityToken: a token is a secret without a user name, whichever way it
// is given, and is kept as what it is.
func TestIdentityToken(t *testing.T) {
	l := identityRegistry(t)
	for _, tt := range []struct {
		stdin, want string
		args        []string
	}{
		{"identity\n", "Login Succeeded\n", []string{"--identity-token-stdin"}},
		{"identity\n", "Login Succeeded\n", []string{"--password-stdin"}},
		{"", "Login Succeeded\n", []string{"--identity-token", "identity"}},
		{"", "Login Succeeded\n", []string{"-p", "identity"}},
		{"\nidentity\n", "Username: Token: Login Succeeded\n", nil},
	} {
		dir := t.TempDir()
		t.Setenv("DOCKER_CONFIG", dir)
		env := testEnv(t)
		env.Stdin = strings.NewReader(tt.stdin)
		code, stdout, stderr := run(t, t.Context(), env, append([]string{"login", l.Address}, tt.args...)...)
		if code != 0 || stdout != tt.want || strings.Contains(stderr, "WARNING!") != (tt.stdin == "") {
			t.Errorf("%v: exit code %d, output %q, errors %q", tt.args, code, stdout, stderr)
		}
		var file struct {
			Auths map[string]struct{ Auth, IdentityToken string }
		}
		raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err := json.Unmarshal(raw, &file); err != nil {
			t.Errorf("%v: %v", tt.args, err)
		}
		if got := file.Auths[l.Address]; err != nil || got.IdentityToken != "identity" || got.Auth != "" {
			t.Errorf("%v: stored %s, %v", tt.args, raw, err)
		}
		if code, stdout, stderr := run(t, t.Context(), testEnv(t), "resolve", l.Address+"/a:v1"); code != 0 {
			t.Errorf("%v: afterwards exit code %d, %q, %q", tt.args, code, stdout, stderr)
		}
	}
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	code, _, stderr := run(t, t.Context(), testEnv(t), "login", l.Address, "--identity-token", "wrong")
	if code != exitUnauthorized || strings.Contains(stderr, "wrong") {
		t.Errorf("a wrong token: exit code %d, errors %q", code, stderr)
	}
}

// TestLoginForgetsTokens: who signs in anew does not go on with the token of
// before.
func TestLoginForgetsTokens(t *testing.T) {
	l := identityRegistry(t)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	cache := t.TempDir()
	env := func() *Env {
		env := testEnv(t)
		env.CacheDir = func() (string, error) { return cache, nil }
		return env
	}
	tokens := func() (n int) {
		for _, r := range l.Requests() {
			if strings.HasPrefix(r.Path, "/token") {
				n++
			}
		}
		return n
	}
	for i, tt := range []struct {
		args []string
		want int // requests of the token service so far
	}{
		{[]string{"login", l.Address, "--identity-token", "identity"}, 1},
		{[]string{"resolve", l.Address + "/a:v1"}, 2},
		{[]string{"resolve", l.Address + "/a:v1"}, 2},
		{[]string{"login", l.Address, "--identity-token", "identity"}, 3},
		{[]string{"resolve", l.Address + "/a:v1"}, 4},
		{[]string{"resolve", l.Address + "/a:v1", "--identity-token", "identity"}, 5},
		{[]string{"resolve", l.Address + "/a:v1", "--identity-token", "identity"}, 6},
	} {
		if code, _, stderr := run(t, t.Context(), env(), tt.args...); code != 0 || tokens() != tt.want {
			t.Errorf("step %d: exit code %d, %d tokens fetched, want %d: %s", i, code, tokens(), tt.want, stderr)
		}
	}
}
