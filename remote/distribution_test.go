package remote_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/registrytest"
	"github.com/orlop/orlop/remote"
)

const distributionConfig = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  delete: {enabled: true}
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: %s}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: %q}
`

// distribution starts the registry of the distribution project and returns its
// host. The test is skipped where it is not installed, but not in CI.
func distribution(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("registry")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the program registry (github.com/distribution/distribution/v3/cmd/registry) is not installed")
		}
		t.Skip("the program registry (github.com/distribution/distribution/v3/cmd/registry) is not installed")
	}
	dir, host := t.TempDir(), freePort(t)
	config := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, distributionConfig, filepath.Join(dir, "store"), host), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "serve", config)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // killed
	})
	await(t, host)
	return host
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await waits until the registry answers.
func await(t *testing.T, host string) {
	t.Helper()
	r := open(t, host, remote.Options{})
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := r.Ping(t.Context())
		if err == nil {
			return
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("the registry does not start: %v", err)
		}
	}
}

// patient tries often enough for a registry that takes its time, on a machine
// with other work, to notice that a connection was cut.
var patient = remote.RetryOptions{Attempts: 12, MinWait: time.Millisecond, MaxWait: 100 * time.Millisecond}

// open opens a registry without TLS that is tried again without long waits.
func open(t *testing.T, host string, o remote.Options) *remote.Registry {
	t.Helper()
	o.PlainHTTP = true
	if o.Retry.MinWait == 0 {
		o.Retry.MinWait, o.Retry.MaxWait = time.Millisecond, 5*time.Millisecond
	}
	if o.Transport == nil {
		transport := remote.NewTransport()
		t.Cleanup(transport.CloseIdleConnections)
		o.Transport = transport
	}
	r, err := remote.New(host, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// distributionFaults are what distribution v3.1.2 does otherwise than the
// specification or the interface says.
var distributionFaults = map[string]string{
	"manifest/every type":                             "it takes Docker's manifests only if they say their type, and no artifact manifests",
	"manifest/blob of another size":                   "it takes the size of a blob on trust",
	"manifest/sha512":                                 "it compares a manifest with its SHA-256 only",
	"manifest/unknown":                                "it answers 500 for the digest of a blob that is no manifest",
	"manifest/what may be absent":                     "it asks for layers that lie elsewhere",
	"list/tags of an absent repository":               "it answers with no tags",
	"list/repositories in byte order":                 "its order is that of directories",
	"parallel/one tag":                                "several tags are set one after the other",
	"parallel/reading while it is pushed and deleted": "it answers 500 while a manifest is deleted",
}

// TestDistribution runs with pages and chunks so small that there are many.
func TestDistribution(t *testing.T) {
	host := distribution(t)
	registrytest.Run(t, func(t *testing.T) orlop.Registry {
		return open(t, host, remote.Options{PageSize: 100, ChunkSize: 100 << 10})
	}, registrytest.Options{
		NoResume:        true, // by the first ID: its IDs change with every chunk
		NoSparseIndexes: true,
		Skip:            distributionFaults,
	})
}
