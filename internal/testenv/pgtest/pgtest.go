// Package pgtest starts a private PostgreSQL in tests, from the programs that
// Debian's package installs, and gives each test a database of its own in it.
// It lies apart from testenv so that what the server is made of can use it.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// shared is the server of this process, started when a test first asks.
var shared struct {
	sync.Mutex
	server   *Server
	err      error
	template string // database that Prepared copies
	prepared bool
	n        atomic.Int64 // databases made
}

// Run runs the tests of a package and then stops the server, if any has asked
// for one: os.Exit(pgtest.Run(m)) is all that TestMain needs. Without it the
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

// Database makes an empty database for a test and returns its URL; it is
// dropped at the end of the test. A test without PostgreSQL is skipped, and
// fails where CI is set.
func Database(t testing.TB) string {
	t.Helper()
	return database(t, start(t), "template0")
}

// Prepared is Database for a copy of what prepare has made, once for all tests
// of the process, of an empty database.
func Prepared(t testing.TB, prepare func(ctx context.Context, url string) error) string {
	t.Helper()
	s := start(t)
	shared.Lock()
	if !shared.prepared {
		shared.template = "prepared"
		err := s.do(t.Context(), "CREATE DATABASE prepared TEMPLATE template0")
		if err == nil {
			err = prepare(t.Context(), s.URL("prepared"))
		}
		if err != nil {
			shared.Unlock()
			t.Fatalf("pgtest: prepare a database: %v", err)
		}
		shared.prepared = true
	}
	shared.Unlock()
	return database(t, s, shared.template)
}

// start returns the server of this process.
func start(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = open()
	}
	if shared.err != nil {
		unusable(t, shared.err)
	}
	return shared.server
}

func database(t testing.TB, s *Server, template string) string {
	t.Helper()
	name := fmt.Sprintf("test%d", shared.n.Add(1))
	if err := s.do(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := s.do(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return s.URL(name)
}

// do runs a statement as the owner of the server.
func (s *Server) do(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// unusable skips a test that PostgreSQL is missing for. In CI that is a failure,
// and everywhere if it is there and does not work.
func unusable(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errAbsent) && os.Getenv("CI") == "" {
		t.Skipf("PostgreSQL: %v", err)
	}
	t.Fatalf("PostgreSQL: %v", err)
}
