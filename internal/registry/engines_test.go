package registry

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/testenv/pgtest"
)

// engine makes a new database of one kind for a test.
type engine func(t *testing.T, o sqlmeta.Options) (*sqlmeta.DB, error)

// eachEngine runs a test on every kind of database.
func eachEngine(t *testing.T, test func(t *testing.T, e engine)) {
	t.Run("sqlite", func(t *testing.T) { test(t, onSQLite) })
	t.Run("postgresql", func(t *testing.T) { test(t, onPostgres) })
}

func onSQLite(t *testing.T, o sqlmeta.Options) (*sqlmeta.DB, error) {
	return sqlmeta.Open(t.Context(), filepath.Join(t.TempDir(), "meta.db"), o)
}

func onPostgres(t *testing.T, o sqlmeta.Options) (*sqlmeta.DB, error) {
	return sqlmeta.OpenPostgres(t.Context(), postgres(t), o)
}

// postgres is the URL of a PostgreSQL database with the schema in it.
func postgres(t testing.TB) string {
	t.Helper()
	return pgtest.Prepared(t, func(ctx context.Context, url string) error {
		db, err := sqlmeta.OpenPostgres(ctx, url, sqlmeta.Options{})
		if err != nil {
			return err
		}
		return db.Close()
	})
}

// open opens a registry with its blobs in memory.
func (e engine) open(t *testing.T, o Options) *Registry {
	t.Helper()
	return e.openOn(t, mem.New(mem.Options{}), o)
}

// openOn opens a registry on a store of blobs.
func (e engine) openOn(t *testing.T, blobs blob.Store, o Options) *Registry {
	t.Helper()
	db, err := e(t, sqlmeta.Options{Now: o.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	o.Shared = db.Shared()
	svc, err := New(db, blobs, o)
	if err != nil {
		t.Fatal(err)
	}
	return svc.Registry(meta.DefaultRegistry, Actor{ID: "1", Name: "tester"})
}
