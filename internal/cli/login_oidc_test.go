package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	serverconfig "github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/federation/issuertest"
	"github.com/orlop/orlop/internal/testenv"
)

// TestOIDCLogin signs in with the token of an issuer: what is kept is the
// registry's own token, and not the issuer's.
func TestOIDCLogin(t *testing.T) {
	issuer := issuertest.New(t, time.Now())
	file := filepath.Join(t.TempDir(), "federation.yaml")
	rules := "issuers:\n- issuer: " + issuer.URL + "\n  audience: " + issuertest.Audience + "\n  allow-loopback: true\n  rules:\n" +
		"  - {name: builds, claims: {repository: example/app}, roles: [{role: AcrPush, repository: builds/*}]}\n"
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := testenv.Start(t, testenv.Options{Log: io.Discard, Configure: func(c *serverconfig.Config) { c.FederationFile = file }})
	docker := t.TempDir()
	t.Setenv("DOCKER_CONFIG", docker)
	login := func(token string) (int, string, string) {
		env := testEnv(t)
		env.Stdin = strings.NewReader(token + "\n")
		return run(t, t.Context(), env, "login", "--oidc-token-stdin", srv.Address)
	}
	if code, _, stderr := login(issuer.Token(map[string]any{"repository": "evil/app"})); code != exitUnauthorized || !strings.Contains(stderr, "match no rule") {
		t.Errorf("without a rule: exit code %d, errors %q", code, stderr)
	}
	token := issuer.Token(nil)
	if code, stdout, stderr := login(token); code != 0 || stdout != "Login Succeeded\n" {
		t.Fatalf("exit code %d, output %q, errors %q", code, stdout, stderr)
	}
	raw, err := os.ReadFile(filepath.Join(docker, "config.json"))
	if err != nil || !strings.Contains(string(raw), "identitytoken") || strings.Contains(string(raw), token) {
		t.Errorf("kept is %s, %v", raw, err)
	}
	content := filepath.Join(t.TempDir(), "artifact.txt")
	if err := os.WriteFile(content, []byte("built"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(content))
	if code, _, stderr := run(t, t.Context(), testEnv(t), "push", srv.Address+"/builds/app:1", "artifact.txt"); code != 0 {
		t.Errorf("push: exit code %d, errors %q", code, stderr)
	}
	if code, _, stderr := run(t, t.Context(), testEnv(t), "push", srv.Address+"/other/app:1", "artifact.txt"); code != exitDenied && code != exitUnauthorized {
		t.Errorf("push elsewhere: exit code %d, errors %q", code, stderr)
	}
	env := testEnv(t)
	env.Stdin = strings.NewReader(token)
	if code, _, _ := run(t, t.Context(), env, "login", "--oidc-token-stdin", "-u", "ann", srv.Address); code != exitUsage {
		t.Errorf("with a user name: exit code %d", code)
	}
}
