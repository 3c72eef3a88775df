package sqlmeta

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestDamageIsNamed overwrites the database page by page: whatever is noticed,
// at the start or later, says what to do.
func TestDamageIsNamed(t *testing.T) {
	db, path := openTest(t, Options{})
	if err := putSmall(db, t, "a", "content"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	noticed := 0
	for off := 0; off < len(good); off += page {
		bad := bytes.Clone(good)
		copy(bad[off:], bytes.Repeat([]byte{0xa5}, page))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := use(t, path); err != nil {
			noticed++
			if !strings.Contains(err.Error(), "damaged, restore it from a backup") {
				t.Errorf("page %d: %v", off/page, err)
			}
		}
	}
	if noticed < 3 {
		t.Errorf("only %d damaged pages were noticed", noticed)
	}
}

// use opens a database and reads and writes it.
func use(t *testing.T, path string) error {
	t.Helper()
	db, err := Open(t.Context(), path, Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Repositories(t.Context(), 1, "", 10); err != nil {
		return err
	}
	return putSmall(db, t, "b", "other content")
}

// TestNewerDatabaseIsRefused: what a later version has changed may not be what
// this one takes it for.
func TestNewerDatabaseIsRefused(t *testing.T) {
	db, path := openTest(t, Options{})
	if err := db.Update(t.Context(), func(tx *Tx) error {
		return tx.plain(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := use(t, path); err == nil || !strings.Contains(err.Error(), "newer orlopd") {
		t.Errorf("opened with %v", err)
	}
}
