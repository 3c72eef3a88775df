// Package s3test starts a private S3 server in tests, and gives each test a
// bucket of its own in it. It lies apart from testenv so that what the server is
// made of can use it.
//
// The server is versitygw, or MinIO where that is asked for: real programs, found
// on the PATH or where .ci/run installs them.
package s3test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
)

// Credentials of every server here.
const (
	KeyID  = "orlop-test"
	Secret = "orlop-test-secret"
	Region = "us-east-1"
)

// Program is an S3 server that tests know how to start.
type Program string

// The programs.
const (
	Versity Program = "versitygw"
	MinIO   Program = "minio"
)

// Bucket is a bucket of a test.
type Bucket struct {
	Endpoint string // URL of the server
	Name     string
}

// URL names the bucket as the setting blobs does.
func (b Bucket) URL() string {
	return "s3://" + b.Name + "?" + url.Values{"endpoint": {b.Endpoint}, "region": {Region}}.Encode()
}

// Env is the environment of a process that is to use the bucket.
func (Bucket) Env() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + KeyID, "AWS_SECRET_ACCESS_KEY=" + Secret}
}

// shared are the servers of this process, started when a test first asks.
var shared struct {
	sync.Mutex
	servers map[Program]*Server
	errs    map[Program]error
	n       atomic.Int64 // buckets made
}

// Run runs the tests of a package and then stops the servers, if any has asked
// for one: os.Exit(s3test.Run(m)) is all that TestMain needs. Without it they
// end with the process, but leave their directories.
func Run(m *testing.M) int {
	defer Stop()
	return m.Run()
}

// Stop stops the servers of this process and removes what they stored.
func Stop() {
	shared.Lock()
	defer shared.Unlock()
	for _, s := range shared.servers {
		s.remove()
	}
	clear(shared.servers)
}

// New makes an empty bucket for a test, in the server that all tests of the
// process share. A test without versitygw is skipped, and fails where CI is set.
func New(t testing.TB) Bucket {
	t.Helper()
	return NewOn(t, Versity)
}

// NewOn is New with another program. MinIO is never missed: a test without it is
// skipped in CI too.
func NewOn(t testing.TB, p Program) Bucket {
	t.Helper()
	return start(t, p).Bucket(t)
}

// start returns the server of this process.
func start(t testing.TB, p Program) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.servers[p] == nil && shared.errs[p] == nil {
		if shared.servers == nil {
			shared.servers, shared.errs = map[Program]*Server{}, map[Program]error{}
		}
		s, err := open(p)
		if err != nil {
			shared.errs[p] = err
		} else {
			shared.servers[p] = s
		}
	}
	if err := shared.errs[p]; err != nil {
		absent(t, p, err)
	}
	return shared.servers[p]
}

// Bucket makes an empty bucket.
func (s *Server) Bucket(t testing.TB) Bucket {
	t.Helper()
	b := Bucket{Endpoint: s.Endpoint(), Name: fmt.Sprintf("test-%d", shared.n.Add(1))}
	if err := s.create(context.WithoutCancel(t.Context()), b.Name); err != nil {
		t.Fatalf("s3test: make a bucket: %v", err)
	}
	return b
}

// absent skips a test that the server is missing for, or fails it in CI.
func absent(t testing.TB, p Program, err error) {
	t.Helper()
	if os.Getenv("CI") != "" && p != MinIO {
		t.Fatalf("S3 server: %v", err)
	}
	t.Skipf("S3 server: %v", err)
}
