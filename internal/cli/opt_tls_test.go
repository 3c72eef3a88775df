package cli

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/testenv"
)

// secure starts a server whose certificate nobody has signed; it answers with
// the number of certificates that the client has shown. Its certificate is for
// 127.0.0.1 and example.com.
func secure(t *testing.T) (srv *httptest.Server, port string) {
	t.Helper()
	srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, len(r.TLS.PeerCertificates))
	}))
	srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	_, port, _ = net.SplitHostPort(srv.Listener.Addr().String())
	return srv, port
}

// client makes an HTTP client of the transport to a registry.
func client(t *testing.T, host string, flags ...string) *http.Client {
	t.Helper()
	o := remoteFlags(t, flags...)
	transport, _, err := o.transport(testEnv(t), connection{host: host})
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: transport}
}

func get(t *testing.T, c *http.Client, url string) (string, error) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// TestInsecureIsForOneHost: any certificate will do for the registry; for its
// token service, and where it redirects to, it will not.
func TestInsecureIsForOneHost(t *testing.T) {
	srv, port := secure(t)
	other := "https://example.com:" + port
	c := client(t, srv.Listener.Addr().String(), "--insecure", "--resolve", "example.com:"+port+":127.0.0.1")
	if _, err := get(t, c, srv.URL); err != nil {
		t.Errorf("the registry: %v", err)
	}
	_, err := get(t, c, other)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("another host: error %v, want one of its certificate", err)
	}
	redirecting := httptest.NewServer(http.RedirectHandler(other, http.StatusTemporaryRedirect))
	t.Cleanup(redirecting.Close)
	if _, err := get(t, c, redirecting.URL); err == nil {
		t.Error("a redirect to another host was followed")
	}
}

// TestClientCertificateIsForOneHost: other hosts get no certificate of the
// user's, and may be of the registry's authority.
func TestClientCertificateIsForOneHost(t *testing.T) {
	srv, port := secure(t)
	dir := t.TempDir()
	files := map[string]string{"ca": "", "cert": "", "key": ""}
	cert := srv.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name := range files {
		block := &pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}
		if name == "key" {
			block = &pem.Block{Type: "PRIVATE KEY", Bytes: key}
		}
		files[name] = filepath.Join(dir, name)
		write(t, files[name], string(pem.EncodeToMemory(block)))
	}
	c := client(t, srv.Listener.Addr().String(), "--ca-file", files["ca"], "--cert-file", files["cert"], "--key-file", files["key"],
		"--resolve", "example.com:"+port+":127.0.0.1")
	for url, want := range map[string]string{srv.URL: "1", "https://example.com:" + port: "0"} {
		if got, err := get(t, c, url); err != nil || got != want {
			t.Errorf("%s was shown %s certificates (%v), want %s", url, got, err, want)
		}
	}
}

// TestFlagsAreForTheNamedRegistry: a mirror gets no header and no password of
// the flags, and must have a good certificate.
func TestFlagsAreForTheNamedRegistry(t *testing.T) {
	for _, secure := range []bool{false, true} {
		mirror, named := testenv.StartLiar(t, testenv.LiarOptions{TLS: secure}), testenv.StartLiar(t, testenv.LiarOptions{TLS: secure})
		for _, l := range []*testenv.Liar{mirror, named} {
			l.AddArtifact(t, "v1", l.AddBlob("f", []byte("content")))
			l.Challenge(`Basic realm="r"`)
		}
		t.Setenv("DOCKER_CONFIG", t.TempDir())
		conf := filepath.Join(t.TempDir(), "registries.conf")
		write(t, conf, fmt.Sprintf("[[registry]]\nlocation = %q\n[[registry.mirror]]\nlocation = %q\n", named.Address, mirror.Address))
		env := testEnv(t)
		env.Getenv = func(name string) string { return map[string]string{"CONTAINERS_REGISTRIES_CONF": conf}[name] }
		code, _, stderr := run(t, t.Context(), env, "pull", named.Address+"/a:v1", "-o", t.TempDir(), "-u", "u", "-p", "s3cr3t",
			"-H", "X-Own: s3cr3t", "--retries", "0", fmt.Sprintf("--insecure=%v", secure))
		if code != 0 {
			t.Errorf("exit code %d, errors %s", code, stderr)
		}
		for _, r := range mirror.Requests() {
			if secure || r.Header.Get("Authorization") != "" || r.Header.Get("X-Own") != "" {
				t.Errorf("the mirror got %s %s with %v", r.Method, r.Path, r.Header)
			}
		}
		if r := named.Requests(); len(r) == 0 || r[len(r)-1].Header.Get("X-Own") != "s3cr3t" {
			t.Errorf("the registry got %v", r)
		}
	}
}

// TestDebugWithMirrors looks for what debugging shows of a mirror's credential.
func TestDebugWithMirrors(t *testing.T) {
	mirror := testenv.StartLiar(t, testenv.LiarOptions{})
	mirror.AddArtifact(t, "v1", mirror.AddBlob("f", []byte("content")))
	mirror.Challenge(`Basic realm="r"`)
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	write(t, filepath.Join(dir, "config.json"), fmt.Sprintf(`{"auths":{%q:{"auth":"dTpzM2NyM3Q="}}}`, mirror.Address)) // u:s3cr3t
	conf := filepath.Join(dir, "registries.conf")
	write(t, conf, fmt.Sprintf("[[registry]]\nlocation = \"named.example\"\n[[registry.mirror]]\nlocation = %q\n", mirror.Address))
	env := testEnv(t)
	env.Getenv = func(name string) string { return map[string]string{"CONTAINERS_REGISTRIES_CONF": conf}[name] }
	code, _, stderr := run(t, t.Context(), env, "pull", "-d", "named.example/a:v1", "-o", filepath.Join(dir, "out"))
	if code != 0 || !strings.Contains(stderr, "msg=served") {
		t.Errorf("exit code %d, errors %s", code, stderr)
	}
	for _, secret := range []string{"s3cr3t", "dTpzM2NyM3Q"} {
		if strings.Contains(stderr, secret) {
			t.Errorf("the log shows %s:\n%s", secret, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out", "f")); err != nil {
		t.Error(err)
	}
}
