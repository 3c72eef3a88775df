package azuresdk

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
)

const (
	adminPassword = "password of the admin"
	acrAudience   = "https://containerregistry.azure.net"
)

// endpoint is the server of all tests, https://localhost:PORT, and transport
// trusts its authority.
var (
	endpoint  string
	transport *http.Client
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "azuresdk")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	stop, err := start(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "start orlopd:", err)
		return 1
	}
	defer stop()
	return m.Run()
}

// start builds and starts orlopd with its own authority.
func start(dir string) (stop func(), err error) {
	program, data := filepath.Join(dir, "orlopd"), filepath.Join(dir, "data")
	build := exec.Command("go", "build", "-o", program, "./cmd/orlopd")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	cmd := exec.Command(program, "--listen", "127.0.0.1:0", "--tls", "auto", "--data", data)
	cmd.Env = append(os.Environ(), "ORLOPD_ADMIN_PASSWORD="+adminPassword)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "Orlop serves https://"); ok {
			go io.Copy(io.Discard, out)
			return stop, trust(address, filepath.Join(data, "tls", "ca.pem"))
		}
	}
	stop()
	return nil, fmt.Errorf("it ended: %w", lines.Err())
}

// trust sets endpoint and transport.
func trust(address, caFile string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	endpoint = "https://localhost:" + port
	transport = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	return nil
}

// application is a service principal, as it was made.
type application struct{ AppID, Password, Tenant string }

// newApplication makes a service principal with a role.
func newApplication(t *testing.T, role string) application {
	t.Helper()
	body := fmt.Sprintf(`{"name":%q,"roles":[%q]}`, strings.ReplaceAll(t.Name(), "/", "-"), role)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/api/v1/service-principals", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", adminPassword)
	req.Header.Set("Content-Type", "application/json")
	resp, err := transport.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	var a application
	if err := json.Unmarshal(raw, &a); err != nil || a.AppID == "" {
		t.Fatalf("%s: %s", resp.Status, raw)
	}
	return a
}

// ours is the server as a cloud of Azure, with its standard authority.
func ours() cloud.Configuration {
	return cloud.Configuration{
		ActiveDirectoryAuthorityHost: endpoint + "/",
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			azcontainerregistry.ServiceName: {Audience: acrAudience},
			cloud.ResourceManager:           {Audience: endpoint, Endpoint: endpoint},
		},
	}
}

func clientOptions() azcore.ClientOptions {
	return azcore.ClientOptions{Cloud: ours(), Transport: transport}
}

// credential signs in as an application at the server itself.
func (a application) credential(t *testing.T) azcore.TokenCredential {
	t.Helper()
	c, err := azidentity.NewClientSecretCredential(a.Tenant, a.AppID, a.Password, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: clientOptions(), DisableInstanceDiscovery: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (a application) client(t *testing.T) *azcontainerregistry.Client {
	t.Helper()
	c, err := azcontainerregistry.NewClient(endpoint, a.credential(t), &azcontainerregistry.ClientOptions{ClientOptions: clientOptions()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (a application) blobs(t *testing.T) *azcontainerregistry.BlobClient {
	t.Helper()
	c, err := azcontainerregistry.NewBlobClient(endpoint, a.credential(t), &azcontainerregistry.BlobClientOptions{ClientOptions: clientOptions()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// service is the login server.
func service(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// must ends the test on an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// upload pushes a blob and returns its digest.
func upload(t *testing.T, c *azcontainerregistry.BlobClient, repo string, content []byte) string {
	t.Helper()
	begun := must(c.StartUpload(t.Context(), repo, nil))(t)
	sum := azcontainerregistry.NewBlobDigestCalculator()
	sent := must(c.UploadChunk(t.Context(), *begun.Location, bytes.NewReader(content), sum, nil))(t)
	done := must(c.CompleteUpload(t.Context(), *sent.Location, sum, nil))(t)
	return *done.DockerContentDigest
}
