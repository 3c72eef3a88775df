package testenv

import (
	"testing"

	"github.com/orlop/orlop/internal/testenv/pgtest"
)

// Postgres is pgtest.Database: the URL of an empty PostgreSQL database for a
// server of this test. TestMain should call pgtest.Run or pgtest.Stop.
func Postgres(t testing.TB) string {
	t.Helper()
	return pgtest.Database(t)
}
