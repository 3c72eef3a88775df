package sqlmeta

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/orlop/orlop/internal/testenv/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// opener opens the database of a test, which it makes at the first call, with
// the registry 1 in it. What it opens is closed at the end of the test.
type opener func(t *testing.T, o Options) *DB

// eachEngine runs a test on every engine.
func eachEngine(t *testing.T, test func(t *testing.T, open opener)) {
	t.Run("sqlite", func(t *testing.T) { test(t, onSQLite(t)) })
	t.Run("postgresql", func(t *testing.T) { test(t, onPostgres(t)) })
}

// onSQLite is an opener of a SQLite database.
func onSQLite(t testing.TB) opener {
	t.Helper()
	path := filepath.Join(t.TempDir(), "meta.db")
	return func(t *testing.T, o Options) *DB {
		db, err := Open(t.Context(), path, o)
		return opened(t, db, err)
	}
}

// onPostgres is an opener of a PostgreSQL database.
func onPostgres(t testing.TB) opener {
	t.Helper()
	url := postgresURL(t)
	return func(t *testing.T, o Options) *DB {
		db, err := OpenPostgres(t.Context(), url, o)
		return opened(t, db, err)
	}
}

// postgresURL is the URL of a PostgreSQL database with the schema in it.
func postgresURL(t testing.TB) string {
	t.Helper()
	return pgtest.Prepared(t, func(ctx context.Context, url string) error {
		db, err := OpenPostgres(ctx, url, Options{})
		if err != nil {
			return err
		}
		return db.Close()
	})
}

func opened(t *testing.T, db *DB, err error) *DB {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Update(t.Context(), func(tx *Tx) error { return tx.EnsureRegistry(1, "default") }); err != nil {
		t.Fatal(err)
	}
	return db
}
