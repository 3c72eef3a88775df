package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/orlop/orlop/internal/testenv"
)

// The rows C1 to C5, C12 and C13 of the threats to a client: credentials go to
// the registry that they belong to, and nowhere else.

// TestRealmOnAnotherHost (C1): a registry names a token service elsewhere.
func TestRealmOnAnotherHost(t *testing.T) {
	thief := testenv.StartLiar(t, testenv.LiarOptions{Host: "127.0.0.2"})
	registry := testenv.StartLiar(t, testenv.LiarOptions{})
	secure := testenv.StartLiar(t, testenv.LiarOptions{TLS: true})
	_, thiefPort, _ := strings.Cut(thief.Address, ":")
	for name, c := range map[string]struct {
		registry *testenv.Liar
		realm    string
		options  []string
	}{
		"address":             {registry, thief.URL("/token"), nil},
		"name":                {registry, "http://token.example.com:" + thiefPort + "/", []string{"--resolve", "token.example.com:" + thiefPort + ":127.0.0.2"}},
		"user information":    {registry, "http://" + registry.Address + "@" + thief.Address + "/token", nil},
		"number as a host":    {registry, "http://2130706434:" + thiefPort + "/token", nil},
		"no TLS after TLS":    {secure, thief.URL("/token"), []string{"--ca-file", secure.CAFile}},
		"same host, no TLS":   {secure, "http://" + secure.Address + "/token", []string{"--ca-file", secure.CAFile}},
		"scheme of something": {registry, "file:///etc/passwd", nil},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t)
			client.signIn(c.registry.Address)
			c.registry.Challenge(fmt.Sprintf(`Bearer realm=%q,service="s",scope="repository:a:pull"`, c.realm))
			before := len(thief.Requests())
			got := client.run(append([]string{"pull", c.registry.Address + "/a:v1"}, c.options...)...)
			if got.code != 1 || !strings.Contains(got.stderr, "token service that is not trusted") {
				t.Errorf("exit %d: %s", got.code, got.stderr)
			}
			if n := len(thief.Requests()) - before; n != 0 {
				t.Errorf("%d requests to the other host", n)
			}
		})
	}
}

// TestRealmOnTheSameHost (C1): a token service at another port of the
// registry's host is its own.
func TestRealmOnTheSameHost(t *testing.T) {
	registry, service := testenv.StartLiar(t, testenv.LiarOptions{}), testenv.StartLiar(t, testenv.LiarOptions{})
	registry.Challenge(fmt.Sprintf(`Bearer realm=%q,service="s"`, service.URL("/token")))
	registry.AddArtifact(t, "v1", registry.AddBlob("f", []byte("content")))
	service.On("", "/token", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != clientUser || password != clientPassword {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"token":"good","expires_in":300}`)
	})
	client := newClient(t)
	client.signIn(registry.Address)
	if got := client.run("pull", registry.Address+"/a:v1"); got.code != 0 || client.files()["f"] != "content" {
		t.Errorf("exit %d: %s", got.code, got.stderr)
	}
}

// TestRedirectElsewhere (C2): content is fetched from where a registry sends
// the client, without the account.
func TestRedirectElsewhere(t *testing.T) {
	for name, host := range map[string]string{"another host": "127.0.0.2", "another port": "127.0.0.1"} {
		t.Run(name, func(t *testing.T) {
			store := testenv.StartLiar(t, testenv.LiarOptions{Host: host})
			registry := testenv.StartLiar(t, testenv.LiarOptions{})
			registry.Challenge(`Basic realm="r"`)
			layer := store.AddBlob("f", []byte("content"))
			store.AddArtifact(t, "v1", layer)
			for _, part := range []string{"/blobs/", "/manifests/"} {
				registry.On("", part, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Set-Cookie", "session=1")
					http.Redirect(w, r, store.URL(r.URL.RequestURI()), http.StatusTemporaryRedirect)
				})
			}
			client := newClient(t)
			client.signIn(registry.Address)
			got := client.run("pull", registry.Address+"/a:v1", "--header", "X-Secret: "+clientPassword, "--no-tty")
			if got.code != 0 || client.files()["f"] != "content" {
				t.Errorf("exit %d: %s", got.code, got.stderr)
			}
			if len(store.Requests()) == 0 {
				t.Error("the store was not asked")
			}
			wantNoSecret(t, store.Requests())
		})
	}
}

// TestUploadElsewhere (C3): content and account are not sent to an upload
// location at another host or port.
func TestUploadElsewhere(t *testing.T) {
	for name, host := range map[string]string{"another host": "127.0.0.2", "another port": "127.0.0.1"} {
		t.Run(name, func(t *testing.T) {
			thief := testenv.StartLiar(t, testenv.LiarOptions{Host: host})
			registry := testenv.StartLiar(t, testenv.LiarOptions{})
			registry.Challenge(`Basic realm="r"`)
			registry.On(http.MethodPost, "/uploads/", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", thief.URL("/v2/a/blobs/uploads/1"))
				w.WriteHeader(http.StatusAccepted)
			})
			client := newClient(t)
			client.signIn(registry.Address)
			if err := os.WriteFile(filepath.Join(client.dir, "f"), random(1, 1<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			got := client.run("push", registry.Address+"/a:v1", "f")
			if got.code != 1 || !strings.HasPrefix(got.stderr, "Error") {
				t.Errorf("exit %d: %s", got.code, got.stderr)
			}
			if n := len(thief.Requests()); n != 0 {
				t.Errorf("%d requests went elsewhere", n)
			}
		})
	}
}

// TestNamesLikeTheRegistry (C4): the account of one name is for that name.
func TestNamesLikeTheRegistry(t *testing.T) {
	registry := testenv.StartLiar(t, testenv.LiarOptions{})
	registry.Challenge(`Basic realm="r"`)
	_, port, _ := strings.Cut(registry.Address, ":")
	client := newClient(t)
	client.signIn("reg.example.com")
	for _, host := range []string{
		"reg.example.com.evil.example", "evilreg.example.com", "reg.example.com:" + port, "example.com", "com",
		"regxexample.com", "reg.example.co", "xn--reg.example.com",
	} {
		name, _, _ := strings.Cut(host, ":")
		to := name + ":" + port
		before := len(registry.Requests())
		got := client.run("resolve", to+"/a:v1", "--plain-http", "--resolve", to+":127.0.0.1")
		if got.code != 4 {
			t.Errorf("%s: exit %d: %s", to, got.code, got.stderr)
		}
		requests := registry.Requests()[before:]
		if len(requests) == 0 {
			t.Errorf("%s was not asked: %s", to, got.stderr)
		}
		wantNoSecret(t, requests)
	}
	for _, host := range []string{"REG.example.com", "reg.example.com.", "reg.example.com@evil.example.com"} {
		if got := client.run("resolve", host+"/a:v1", "--plain-http", "--resolve", "reg.example.com:80:127.0.0.1:"+port); got.code == 0 {
			t.Errorf("%s was accepted", host)
		}
	}
	wantNoSecret(t, registry.Requests())
}

// TestTokenServiceWithoutGoodCertificate (C5): what is accepted of the registry
// is not accepted of its token service.
func TestTokenServiceWithoutGoodCertificate(t *testing.T) {
	registry := testenv.StartLiar(t, testenv.LiarOptions{})
	service := testenv.StartLiar(t, testenv.LiarOptions{TLS: true})
	registry.Challenge(fmt.Sprintf(`Bearer realm=%q,service="s"`, service.URL("/token")))
	client := newClient(t)
	client.signIn(registry.Address)
	got := client.run("pull", registry.Address+"/a:v1")
	if got.code != 1 || !strings.Contains(got.stderr, "certificate") {
		t.Errorf("exit %d: %s", got.code, got.stderr)
	}
	if n := len(service.Requests()); n != 0 {
		t.Errorf("%d requests in spite of the certificate", n)
	}
}

// TestInsecureIsForOneSide (C5): --from-insecure says nothing of the
// destination.
func TestInsecureIsForOneSide(t *testing.T) {
	from, to := testenv.StartLiar(t, testenv.LiarOptions{TLS: true}), testenv.StartLiar(t, testenv.LiarOptions{TLS: true})
	from.AddArtifact(t, "v1", from.AddBlob("f", []byte("content")))
	client := newClient(t)
	got := client.run("cp", "--from-insecure", "--to-plain-http=false", from.Address+"/a:v1", to.Address+"/a:v1")
	if got.code != 1 || !strings.Contains(got.stderr, "certificate") || !strings.Contains(got.stderr, "destination") {
		t.Errorf("exit %d: %s", got.code, got.stderr)
	}
	if n := len(to.Requests()); n != 0 {
		t.Errorf("%d requests in spite of the certificate", n)
	}
}

// TestParallelLogins (C12): no login of several at once is lost, and none is
// readable by others.
func TestParallelLogins(t *testing.T) {
	client := newClient(t)
	var wg sync.WaitGroup
	const logins = 12
	addresses := make([]string, logins)
	for i := range addresses {
		registry := testenv.StartLiar(t, testenv.LiarOptions{})
		registry.Challenge(`Basic realm="r"`)
		addresses[i] = registry.Address
		cmd := client.command("login", registry.Address, "--username", clientUser, "--password-stdin")
		cmd.Stdin = strings.NewReader(clientPassword + "\n")
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("login: %v: %s", err, out)
			}
		})
	}
	wg.Wait()
	path := filepath.Join(client.home, ".docker", "config.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Auths map[string]any }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if file.Auths[address] == nil {
			t.Errorf("the login to %s is lost", address)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestDebugHidesSecrets (C13): what --debug prints can be shown to others.
func TestDebugHidesSecrets(t *testing.T) {
	const token = "token-of-someone"
	registry := testenv.StartLiar(t, testenv.LiarOptions{})
	registry.Challenge(fmt.Sprintf(`Bearer realm=%q,service="s"`, registry.URL("/token")))
	registry.AddArtifact(t, "v1", registry.AddBlob("f", []byte("content")))
	registry.On("", "/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "session="+token)
		fmt.Fprintf(w, `{"token":%q,"refresh_token":%q}`, token, token)
	})
	for name, options := range map[string][]string{
		"stored":         nil,
		"password":       {"--username", clientUser, "--password", clientPassword},
		"identity token": {"--identity-token", clientPassword},
		"header":         {"--header", "X-Secret: " + clientPassword},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t)
			client.signIn(registry.Address)
			got := client.run(append([]string{"pull", "--debug", registry.Address + "/a:v1"}, options...)...)
			if got.code != 0 || !strings.Contains(got.stderr, "/v2/a/") {
				t.Fatalf("exit %d: %s", got.code, got.stderr)
			}
			for _, secret := range []string{clientPassword, token, "c29tZW9uZTpzZWNyZXQ"} { // the last is the beginning of Basic
				if strings.Contains(got.stdout+got.stderr, secret) {
					t.Errorf("%q is in the output", secret)
				}
			}
		})
	}
}
