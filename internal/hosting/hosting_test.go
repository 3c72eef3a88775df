package hosting

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

func open(t *testing.T) *sqlmeta.DB {
	t.Helper()
	db, err := sqlmeta.Open(t.Context(), filepath.Join(t.TempDir(), "orlop.db"), sqlmeta.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Update(t.Context(), func(tx *sqlmeta.Tx) error { return tx.EnsureRegistry(meta.DefaultRegistry, "default") }); err != nil {
		t.Fatal(err)
	}
	return db
}

func start(t *testing.T, s Store, o Options) *Registries {
	t.Helper()
	r, err := New(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func create(t *testing.T, r *Registries, name string) meta.Registry {
	t.Helper()
	reg, err := r.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

// TestHosts: a host under a domain leads to the registry that it names or to
// none, never to another.
func TestHosts(t *testing.T) {
	r := start(t, open(t), Options{Domains: []string{"a.test", "deep.a.test"}, Name: "myregistry"})
	other := create(t, r, "another")
	const none = -1
	for host, want := range map[string]int64{
		"localhost": meta.DefaultRegistry, "127.0.0.1": meta.DefaultRegistry, "a.test": meta.DefaultRegistry, "deep.a.test": meta.DefaultRegistry,
		"xa.test": meta.DefaultRegistry, "another.b.test": meta.DefaultRegistry, "": meta.DefaultRegistry,
		"myregistry.a.test": meta.DefaultRegistry, "myregistry.deep.a.test": meta.DefaultRegistry,
		"another.a.test": other.ID, "another.deep.a.test": other.ID, "another.a.test.": other.ID,
		"nobody.a.test": none, "default.a.test": none, ".a.test": none, "x.another.a.test": none, "another.x.a.test": none, "deepx.a.test": none,
	} {
		id, err := r.Resolve(t.Context(), host)
		if errors.Is(err, orlop.ErrNameUnknown) {
			id = none
		}
		if id != want {
			t.Errorf("%q: %d %v, want %d", host, id, err, want)
		}
	}
	for at, want := range map[string]string{
		"myregistry.a.test:5443": "another.a.test:5443", "another.deep.a.test": "another.deep.a.test", "localhost:5443": "another.a.test:5443", "a.test": "another.a.test",
	} {
		if got := r.LoginServer(other, at); got != want {
			t.Errorf("login server at %q: %q", at, got)
		}
	}
	home, err := r.Named(t.Context(), "myregistry")
	if got := r.LoginServer(home, "[::1]:5443"); err != nil || got != "[::1]:5443" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCreateAndDelete(t *testing.T) {
	db := open(t)
	var deleted int64
	r := start(t, db, Options{Domains: []string{"a.test"}, Name: "myregistry", Deleted: func(id int64) { deleted = id }})
	first := create(t, r, "another")
	for name, want := range map[string]error{
		"another": ErrTaken, "myregistry": ErrTaken, "abc": ErrName, "Another": ErrName, "an-other": ErrName, "": ErrName, "another/1": ErrName,
	} {
		if _, err := r.Create(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := r.Delete(t.Context(), "myregistry"); !errors.Is(err, ErrDefault) {
		t.Error(err)
	}
	if err := r.Delete(t.Context(), "another"); err != nil || deleted != first.ID {
		t.Error(err, deleted)
	}
	if err := r.Delete(t.Context(), "another"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if _, err := r.Resolve(t.Context(), "another.a.test"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if again := create(t, r, "another"); again.ID == first.ID {
		t.Error("an id is used again")
	}
	if _, err := start(t, db, Options{}).Create(t.Context(), "further"); !errors.Is(err, ErrNoDomain) {
		t.Error(err)
	}
	if _, err := New(t.Context(), db, Options{Name: "another"}); !errors.Is(err, ErrTaken) {
		t.Error(err)
	}
	all, err := start(t, db, Options{Domains: []string{"a.test"}}).List(t.Context())
	if err != nil || len(all) != 2 || all[0].Name != "another" || all[1].Name != "myregistry" {
		t.Error(all, err)
	}
}

// shared is a store that others write to as well.
type shared struct{ *sqlmeta.DB }

func (shared) Shared() bool { return true }

// TestTwoNodes: what one node does counts at the other, at once where a registry
// is made, within a second where one goes.
func TestTwoNodes(t *testing.T) {
	store := shared{open(t)}
	now := time.Now()
	o := Options{Domains: []string{"a.test"}, Name: "myregistry", Now: func() time.Time { return now }}
	a, b := start(t, store, o), start(t, store, o)
	resolve := func(r *Registries) error { _, err := r.Resolve(context.Background(), "another.a.test"); return err }
	if err := resolve(b); !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
	create(t, a, "another")
	if err := resolve(b); err != nil {
		t.Fatal(err)
	}
	if err := a.Delete(t.Context(), "another"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(sharedTTL)
	if err := resolve(b); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}
