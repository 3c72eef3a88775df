package authn

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/testenv/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// sharing is a store that says that other processes use it.
type sharing struct{ *sqlmeta.DB }

func (sharing) Shared() bool { return true }

// engines runs a test on a store that nodes share: one that only says so, and
// PostgreSQL.
func engines(t *testing.T, test func(t *testing.T, open func() Store, clock *clock)) {
	t.Run("SQLite", func(t *testing.T) {
		c := &clock{t: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
		db, err := sqlmeta.Open(t.Context(), filepath.Join(t.TempDir(), "orlop.db"), sqlmeta.Options{Now: c.now})
		prepare(t, db, err)
		test(t, func() Store { return sharing{db} }, c)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		c := &clock{t: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
		url := pgtest.Database(t)
		open := func() Store {
			db, err := sqlmeta.OpenPostgres(t.Context(), url, sqlmeta.Options{Now: c.now})
			prepare(t, db, err)
			return db
		}
		test(t, open, c)
	})
}

func prepare(t *testing.T, db *sqlmeta.DB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Update(t.Context(), func(tx *sqlmeta.Tx) error { return tx.EnsureRegistry(registry, "default") }); err != nil {
		t.Fatal(err)
	}
}

func node(t *testing.T, store Store, clock *clock) *env {
	t.Helper()
	e := &env{t: t, clock: clock, log: &bytes.Buffer{}}
	var err error
	if e.Authenticator, err = New(t.Context(), store, Options{Now: clock.now, Log: slog.New(slog.NewTextHandler(e.log, nil))}); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestNodesRevoke takes away on one node what the other one has just let in: it
// refuses it from the next request on.
func TestNodesRevoke(t *testing.T) {
	engines(t, func(t *testing.T, open func() Store, clock *clock) {
		a, b := node(t, open(), clock), node(t, open(), clock)
		pull := authz.Repository("samples/app", authz.Pull)
		for name, revoke := range map[string]func(ctx context.Context, app string) error{
			"secret replaced": func(ctx context.Context, app string) error {
				_, _, err := a.ResetSecret(ctx, registry, app, NewSecret{})
				return err
			},
			"disabled": func(ctx context.Context, app string) error {
				return a.SetDisabled(ctx, registry, meta.KindServicePrincipal, app, true)
			},
			"deleted": func(ctx context.Context, app string) error { return a.DeleteServicePrincipal(ctx, registry, app) },
		} {
			t.Run(name, func(t *testing.T) {
				app, secret := a.application(authz.AcrPull, "")
				s := b.good(basicAuth(app, secret))
				access, refresh := "Bearer "+b.access(s, "repository:samples/app:pull"), b.refresh(s)
				b.good(access)
				if _, err := b.RefreshSession(t.Context(), registry, refresh); err != nil {
					t.Fatal(err)
				}
				if err := revoke(t.Context(), app); err != nil {
					t.Fatal(err)
				}
				b.bad(basicAuth(app, secret))
				b.bad(access)
				if _, err := b.RefreshSession(t.Context(), registry, refresh); err == nil {
					t.Error("the refresh token is good still")
				}
			})
		}
		t.Run("role", func(t *testing.T) {
			app, secret := a.application(authz.AcrPull, "")
			if !b.good(basicAuth(app, secret)).May(pull) {
				t.Fatal("it may not pull")
			}
			if err := a.Unassign(t.Context(), registry, app, meta.RoleAssignment{Role: authz.AcrPull}); err != nil {
				t.Fatal(err)
			}
			if b.good(basicAuth(app, secret)).May(pull) {
				t.Error("it may pull still")
			}
			if err := b.Assign(t.Context(), registry, app, meta.RoleAssignment{Role: authz.AcrPull}); err != nil {
				t.Fatal(err)
			}
			if !a.good(basicAuth(app, secret)).May(pull) {
				t.Error("it may not pull again")
			}
		})
		t.Run("scope map", func(t *testing.T) {
			ctx := t.Context()
			if _, err := a.CreateScopeMap(ctx, meta.ScopeMap{Registry: registry, Name: "readers", Actions: []string{"repositories/samples/app/content/read"}}); err != nil {
				t.Fatal(err)
			}
			if _, err := a.CreateToken(ctx, registry, "robot", "readers", false); err != nil {
				t.Fatal(err)
			}
			_, password, err := a.GeneratePassword(ctx, registry, "robot", "password1", time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if !b.good(basicAuth("robot", password)).May(pull) {
				t.Fatal("it may not pull")
			}
			if err := a.EditScopeMap(ctx, registry, "readers", func(m *meta.ScopeMap) error { m.Actions = nil; return nil }); err != nil {
				t.Fatal(err)
			}
			if b.good(basicAuth("robot", password)).May(pull) {
				t.Error("it may pull still")
			}
		})
	})
}

// TestNodesRotateKeys makes new signing keys on one node: the other one knows
// them at once, and signs with them.
func TestNodesRotateKeys(t *testing.T) {
	engines(t, func(t *testing.T, open func() Store, clock *clock) {
		a, b := node(t, open(), clock), node(t, open(), clock)
		app, secret := a.application(authz.AcrPull, "")
		before := "Bearer " + b.access(b.good(basicAuth(app, secret)))
		a.good(before)
		for range keptKeys - 1 {
			clock.pass(time.Second)
			if err := a.RotateKeys(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.good("Bearer " + a.access(a.good(basicAuth(app, secret))))
			a.good("Bearer " + b.access(b.good(basicAuth(app, secret))))
			b.good(before)
		}
		clock.pass(time.Second)
		if err := b.RotateKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.bad(before)
	})
}

// TestNodesStartTogether starts nodes on an empty store at once: they have the
// same keys and one admin.
func TestNodesStartTogether(t *testing.T) {
	engines(t, func(t *testing.T, open func() Store, clock *clock) {
		var stores [4]Store
		var nodes [4]*env
		var shown [4]string
		for i := range nodes {
			stores[i] = open()
		}
		var wg sync.WaitGroup
		for i := range nodes {
			wg.Go(func() {
				e := &env{t: t, clock: clock, log: &bytes.Buffer{}}
				var err error
				if e.Authenticator, err = New(t.Context(), stores[i], Options{Now: clock.now}); err == nil {
					shown[i], err = e.EnsureAdmin(t.Context(), "")
				}
				if err != nil {
					t.Error(err)
				}
				nodes[i] = e
			})
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
		password := shown[0] + shown[1] + shown[2] + shown[3]
		for _, e := range nodes {
			s := e.good(basicAuth("admin", password)) // bad if two were shown
			if e.Tenant() != nodes[0].Tenant() {
				t.Error("two tenants")
			}
			for _, other := range nodes {
				other.good("Bearer " + e.access(s))
			}
		}
	})
}

// TestEditsOnNodesExcludeEachOther gives one principal many secrets from two
// nodes at once, and none is lost.
func TestEditsOnNodesExcludeEachOther(t *testing.T) {
	engines(t, func(t *testing.T, open func() Store, clock *clock) {
		nodes := [2]*env{node(t, open(), clock), node(t, open(), clock)}
		app, _ := nodes[0].application(authz.AcrPull, "")
		var wg sync.WaitGroup
		var secrets [maxSecrets - 1]string
		for i := range secrets {
			wg.Go(func() {
				var err error
				if _, secrets[i], err = nodes[i%2].ResetSecret(t.Context(), registry, app, NewSecret{Append: true}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i, secret := range secrets {
			nodes[(i+1)%2].good(basicAuth(app, secret))
		}
	})
}
