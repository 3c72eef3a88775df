package authn

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// env is an authenticator on a real store, with a clock that the test moves.
type env struct {
	*Authenticator
	t     *testing.T
	db    *sqlmeta.DB
	clock *clock
	log   *bytes.Buffer
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var here = netip.MustParseAddr("192.0.2.1")

const registry = meta.DefaultRegistry

func newEnv(t testing.TB) *env { return openEnv(t, filepath.Join(t.TempDir(), "orlop.db")) }

func openEnv(t testing.TB, path string) *env {
	t.Helper()
	e := &env{clock: &clock{t: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}, log: &bytes.Buffer{}}
	e.t, _ = t.(*testing.T)
	var err error
	if e.db, err = sqlmeta.Open(t.Context(), path, sqlmeta.Options{Now: e.clock.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.db.Close() })
	for id, name := range map[int64]string{registry: "default", registry + 1: "other"} {
		if err := e.db.Update(t.Context(), func(tx *sqlmeta.Tx) error { return tx.EnsureRegistry(id, name) }); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.NewTextHandler(e.log, nil))
	if e.Authenticator, err = New(t.Context(), e.db, Options{Now: e.clock.now, Log: log}); err != nil {
		t.Fatal(err)
	}
	return e
}

// application makes a service principal with a role.
func (e *env) application(role, prefix string) (user, secret string) {
	e.t.Helper()
	p, secret, err := e.CreateServicePrincipal(e.t.Context(), registry, "ci", []meta.RoleAssignment{{Role: role, Prefix: prefix}})
	if err != nil {
		e.t.Fatal(err)
	}
	return p.Name, secret
}

// human makes a user with a password of its own.
func (e *env) human(name, password string, change ...func(*meta.Principal)) {
	e.t.Helper()
	p := meta.Principal{
		ID: "id-of-" + name, Registry: registry, Kind: meta.KindUser, Name: name, Created: e.clock.now(),
		Secrets: []meta.Secret{newSecret("password1", hashHuman(password), e.clock.now())},
		Roles:   []meta.RoleAssignment{{Role: authz.AcrPull}},
	}
	for _, c := range change {
		c(&p)
	}
	if ok, err := e.db.CreatePrincipal(e.t.Context(), p); !ok || err != nil {
		e.t.Fatal(ok, err)
	}
}

func basicAuth(user, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}

// good demands that the credentials are accepted.
func (e *env) good(authorization string) *Session {
	e.t.Helper()
	s, err := e.Authenticate(e.t.Context(), registry, here, authorization)
	if err != nil {
		e.t.Fatalf("refused: %v", err)
	}
	return s
}

// bad demands that they are refused.
func (e *env) bad(authorization string) {
	e.t.Helper()
	if s, err := e.Authenticate(e.t.Context(), registry, here, authorization); !errors.Is(err, ErrBadCredentials) {
		e.t.Errorf("got %+v, %v", s, err)
	}
}

func (e *env) access(s *Session, scopes ...string) string {
	e.t.Helper()
	token, err := e.AccessToken(s, registry, "r.example", authz.ParseScopes(scopes...))
	if err != nil {
		e.t.Fatal(err)
	}
	return token
}

func (e *env) refresh(s *Session) string {
	e.t.Helper()
	token, ok, err := e.RefreshToken(s, registry, "r.example")
	if !ok || err != nil {
		e.t.Fatal(ok, err)
	}
	return token
}
