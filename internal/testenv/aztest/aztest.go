// Package aztest starts Azurite in tests, which speaks the protocol of Azure
// Blob Storage, and gives each test a container of its own in it. It lies apart
// from testenv so that what the server is made of can use it.
package aztest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
)

// Account and Key are those of the one account that Azurite has. Everybody knows
// them.
const (
	Account = "devstoreaccount1"
	Key     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Container is a container of a test.
type Container struct {
	Endpoint string // URL of the account
	Name     string
}

// URL names the container as the setting blobs does.
func (c Container) URL() string {
	return "azblob://" + Account + "/" + c.Name + "?" + url.Values{"endpoint": {c.Endpoint}}.Encode()
}

// Env is the environment of a process that is to use the container.
func (Container) Env() []string { return []string{"AZURE_STORAGE_KEY=" + Key} }

// shared is the server of this process, started when a test first asks.
var shared struct {
	sync.Mutex
	server *Server
	err    error
	n      atomic.Int64 // containers made
}

// Run runs the tests of a package and then stops the server, if any has asked
// for one: os.Exit(aztest.Run(m)) is all that TestMain needs. Without it the
// server ends with the process, but leaves its directory.
func Run(m *testing.M) int {
	defer Stop()
	return m.Run()
}

// Stop stops the server of this process and removes what it stored.
func Stop() {
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		shared.server.remove()
		shared.server = nil
	}
}

// New makes an empty container for a test, in the server that all tests of the
// process share. A test without Azurite is skipped, and fails where CI is set.
func New(t testing.TB) Container {
	t.Helper()
	return start(t).Container(t)
}

// start returns the server of this process.
func start(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = open(Options{})
	}
	if shared.err != nil {
		absent(t, shared.err)
	}
	return shared.server
}

// Container makes an empty container.
func (s *Server) Container(t testing.TB) Container {
	t.Helper()
	c := Container{Endpoint: s.Endpoint(), Name: fmt.Sprintf("test-%d", shared.n.Add(1))}
	if err := s.create(context.WithoutCancel(t.Context()), c.Name); err != nil {
		t.Fatalf("aztest: make a container: %v", err)
	}
	return c
}

// absent skips a test that Azurite is missing for, or fails it in CI.
func absent(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("Azurite: %v", err)
	}
	t.Skipf("Azurite: %v", err)
}
