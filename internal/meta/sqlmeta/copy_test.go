package sqlmeta

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// eachPair runs a test for copies between all engines.
func eachPair(t *testing.T, test func(t *testing.T, from, to *DB)) {
	engines := map[string]func(testing.TB) opener{"sqlite": onSQLite, "postgresql": onPostgres}
	for a, from := range engines {
		for b, to := range engines {
			t.Run(a+" to "+b, func(t *testing.T) { test(t, from(t)(t, Options{}), to(t)(t, Options{})) })
		}
	}
}

// family puts a row into every table, all of one family, so that n of them fill
// a database. What is small has content, what is large has a key.
func family(tx *Tx, n int64) error {
	content := []byte(fmt.Sprintf("small %d", n))
	pack := func(b []byte) []byte { d, _ := packDigest(digest.FromBytes(b)); return d }
	name := func(prefix string) string { return fmt.Sprintf("%s%06d", prefix, n) }
	small, large, parent, child, gone := n*10+1, n*10+2, n*10+3, n*10+4, n*10+5
	for _, r := range []struct {
		table, columns string
		values         []any
	}{
		{"registries", "id, name, created, repository_roles", []any{n + 10, name("registry"), n, true}},
		{"server_keys", "id, purpose, secret, created", []any{name("key"), "test", []byte{0, byte(n)}, n}},
		{"versions", "name, version", []any{name("topic"), n}},
		{"principals", "id, registry_id, kind, name, display_name, disabled, created", []any{name("id"), 1, "user", name("user"), "", n%2 == 0, n}},
		{"secrets", "id, registry_id, principal_id, name, hash, created, expires", []any{name("s"), 1, name("id"), "", []byte{}, n, nil}},
		{"role_assignments", "principal_id, role, prefix, registry_id, created", []any{name("id"), "AcrPull", "", 1, n}},
		{"scope_maps", "registry_id, name, description, actions, created", []any{1, name("map"), "Größe", "[]", n}},
		{"repositories", "id, registry_id, name, locks, created, updated", []any{n, 1, name("repo"), n % 16, n, n}},
		{"gc_objects", "storage_key, registry_id, delete_after", []any{name("old"), 1, n}},
		{"blobs", "id, registry_id, digest, size, created", []any{small, 1, pack(content), len(content), n}},
		{"blobs", "id, registry_id, digest, size, storage_key, sums, created", []any{large, 1, pack([]byte(name("large"))), 12, name("object"), []byte{1, 2, 3, 4}, n}},
		{"blob_contents", "blob_id, registry_id, content", []any{small, 1, content}},
		{"repository_blobs", "repo_id, blob_id, registry_id, linked", []any{n, small, 1, n}},
		{"repository_blobs", "repo_id, blob_id, registry_id, linked", []any{n, large, 1, n}},
		{"manifests", "id, registry_id, repo_id, digest, media_type, subject, size, image_size, created, updated", []any{parent, 1, n, pack([]byte(name("parent"))), "m", nil, 1, 2, n, n}},
		{"manifests", "id, registry_id, repo_id, digest, media_type, subject, size, image_size, created, updated", []any{child, 1, n, pack([]byte(name("child"))), "m", pack([]byte(name("parent"))), 1, 2, n, n}},
		{"manifest_payloads", "manifest_id, registry_id, payload", []any{parent, 1, []byte(name("parent"))}},
		{"manifest_payloads", "manifest_id, registry_id, payload", []any{child, 1, []byte(name("child"))}},
		{"referrers", "repo_id, subject, artifact_type, manifest_id, registry_id, descriptor, hidden", []any{n, pack([]byte(name("parent"))), "a/b", child, 1, []byte("{}"), n%3 == 0}},
		{"manifest_blobs", "blob_id, manifest_id, registry_id", []any{small, parent, 1}},
		{"manifest_blobs", "blob_id, manifest_id, registry_id", []any{large, child, 1}},
		{"manifest_children", "child_id, parent_id, registry_id", []any{child, parent, 1}},
		{"missing_children", "repo_id, child_digest, parent_id, registry_id", []any{n, pack([]byte("absent")), parent, 1}},
		{"missing_blobs", "repo_id, blob_digest, manifest_id, registry_id", []any{n, pack([]byte("absent")), parent, 1}},
		{"tags", "repo_id, name, manifest_id, registry_id, version, created, updated", []any{n, "v1", parent, 1, n, n, n}},
		{"tag_history", "id, registry_id, repo_id, name, old_digest, new_digest, actor, at", []any{7, 1, n, "v1", nil, pack([]byte(name("parent"))), "", n}},
		{"uploads", "id, registry_id, repo, principal, next_offset, state, cancelled, created, expires", []any{name("up"), 1, "r", "p", 3, []byte("cabc"), false, n, n}},
		{"uploads", "id, registry_id, repo, principal, storage_key, next_offset, state, cancelled, created, expires", []any{name("stays"), 1, "r", "p", name("part"), 3, []byte("o"), false, n, n}},
		{"gc_blob_queue", "blob_id, registry_id, review_after", []any{small, 1, n}},
		{"gc_manifest_queue", "manifest_id, registry_id, review_after", []any{child, 1, n}},
		{"deleted_manifests", "id, registry_id, repo, digest, media_type, architecture, os, image_size, locks, created, updated, deleted, actor, payload",
			[]any{gone, 1, name("repo"), pack([]byte(name("gone"))), "m", "", "", 1, 0, n, n, n, "", []byte(name("gone"))}},
		{"deleted_manifest_blobs", "blob_id, manifest_id, registry_id", []any{small, gone, 1}},
		{"deleted_tags", "id, registry_id, repo, name, digest, locks, deleted, actor", []any{gone, 1, name("repo"), "v0", pack([]byte(name("gone"))), 0, n, ""}},
		{"deleted_repositories", "registry_id, name, locks, created, deleted", []any{1, name("former"), 0, n, n}},
	} {
		query := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", r.table, r.columns, placeholders(1, len(r.values)))
		if _, err := tx.exec(query, r.values...); err != nil {
			return fmt.Errorf("%s: %w", r.table, err)
		}
	}
	return nil
}

func families(t *testing.T, db *DB, from, to int64) {
	t.Helper()
	update(t, db, func(tx *Tx) error {
		for n := from; n < to; n++ {
			if err := family(tx, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// copyTo makes a pass and compares. refuse says which objects cannot be brought.
func copyTo(t *testing.T, from, to *DB, refuse map[string]bool) (map[string]Changes, map[string]Differences, []Damage, error) {
	t.Helper()
	snapshot, err := from.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := snapshot.Close(); err != nil {
			t.Error(err)
		}
	}()
	var damaged []Damage
	c, err := NewCopier(t.Context(), snapshot, to, CopyOptions{
		Damaged: func(d Damage) { damaged = append(damaged, d) },
		Objects: func(_ context.Context, blobs []meta.Blob) []error {
			errs := make([]error, len(blobs))
			for i, b := range blobs {
				if refuse[b.Key] {
					errs[i] = ErrLeftOut
				}
				if !slices.Equal(b.Sums, []byte{1, 2, 3, 4}) || b.Size != 12 {
					errs[i] = fmt.Errorf("blob %+v", b)
				}
			}
			return errs
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := c.Pass(t.Context())
	if err != nil {
		return changes, nil, damaged, err
	}
	differences, err := c.Compare(t.Context())
	return changes, differences, damaged, err
}

func mustCopy(t *testing.T, from, to *DB) (written, removed int) {
	t.Helper()
	changes, differences, damaged, err := copyTo(t, from, to, nil)
	if err != nil || len(damaged) > 0 {
		t.Fatal(err, damaged)
	}
	for table, d := range differences {
		if !d.None() || d.Rows == 0 {
			t.Errorf("%s: %+v", table, d)
		}
		written, removed = written+changes[table].Written, removed+changes[table].Removed
	}
	return written, removed
}

// TestCopy copies every table between all engines, more than a page of each, and
// then what has changed.
func TestCopy(t *testing.T) { eachPair(t, testCopy) }

func testCopy(t *testing.T, from, to *DB) {
	const many = pageRows + 20
	families(t, from, 1, many)
	mustCopy(t, from, to)
	if written, removed := mustCopy(t, from, to); written+removed > 0 {
		t.Errorf("nothing had changed, and %d rows were written, %d removed", written, removed)
	}
	families(t, from, many, many+1)
	update(t, from, func(tx *Tx) error {
		for _, change := range []string{
			`UPDATE tags SET manifest_id = manifest_id + 1 WHERE repo_id = 5`, // to the child
			`DELETE FROM manifest_children WHERE parent_id = 53`,
			`DELETE FROM manifests WHERE id = 53`, // which the tag named before
			`DELETE FROM repositories WHERE id = 6`,
			`UPDATE repositories SET locks = 1, updated = 1 WHERE id = 7`,
			`UPDATE principals SET name = 'another' WHERE id = 'id000008'`,
			`DELETE FROM blobs WHERE id = 62`,
			`UPDATE gc_blob_queue SET review_after = 99 WHERE blob_id = 91`,
		} {
			if _, err := tx.exec(change); err != nil {
				return fmt.Errorf("%s: %w", change, err)
			}
		}
		return nil
	})
	written, removed := mustCopy(t, from, to)
	if written > 60 || removed > 40 {
		t.Errorf("%d rows were written, %d removed", written, removed)
	}
	var due int
	if err := to.row(t.Context(), `SELECT count(*) FROM gc_objects WHERE storage_key = 'object000006'`).Scan(&due); err != nil || due != 1 {
		t.Errorf("the object of a blob that is gone is not to be collected: %d, %v", due, err)
	}
}

// TestCopyLeavesOutDamage damages content of each kind: it is reported and left
// out with all that refers to it, and what it belongs to waits for it.
func TestCopyLeavesOutDamage(t *testing.T) { eachPair(t, testCopyLeavesOutDamage) }

func testCopyLeavesOutDamage(t *testing.T, from, to *DB) {
	families(t, from, 1, 6)
	update(t, from, func(tx *Tx) error {
		for change, arg := range map[string][]byte{
			`UPDATE blob_contents SET content = $1 WHERE blob_id = 11`:         []byte("small 7"),
			`UPDATE manifest_payloads SET payload = $1 WHERE manifest_id = 34`: []byte("child000004"),
			`UPDATE deleted_manifests SET payload = $1 WHERE id = 45`:          {},
		} {
			if _, err := tx.exec(change, arg); err != nil {
				return err
			}
		}
		_, err := tx.exec(`DELETE FROM blob_contents WHERE blob_id = 51`)
		return err
	})
	for range 2 { // the second time they are looked at again
		_, differences, damaged, err := copyTo(t, from, to, map[string]bool{"object000002": true})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range damaged {
			got = append(got, d.Kind)
		}
		slices.Sort(got)
		if want := "blob blob blob deleted manifest manifest"; strings.Join(got, " ") != want {
			t.Errorf("reported: %v", damaged)
		}
		for table, d := range differences {
			if !d.None() {
				t.Errorf("%s: %+v", table, d)
			}
		}
		for query, want := range map[string]int{
			`SELECT count(*) FROM blobs`:                                 10 - 3,
			`SELECT count(*) FROM manifests`:                             10 - 1,
			`SELECT count(*) FROM deleted_manifests`:                     5 - 1,
			`SELECT count(*) FROM missing_blobs WHERE manifest_id = 13`:  1 + 1,
			`SELECT count(*) FROM missing_blobs WHERE manifest_id = 24`:  1,
			`SELECT count(*) FROM missing_children WHERE parent_id = 33`: 1 + 1,
		} {
			var n int
			if err := to.row(t.Context(), query).Scan(&n); err != nil || n != want {
				t.Errorf("%s: %d, want %d, %v", query, n, want, err)
			}
		}
	}
}

// TestCopyIsWholeAtEachStep ends a pass at its n-th commit, for every n: the next
// one goes on, and in between no row is without what it refers to.
func TestCopyIsWholeAtEachStep(t *testing.T) {
	from := onSQLite(t)(t, Options{})
	families(t, from, 1, 4)
	var commits, stop int
	stopped := errors.New("stopped")
	for stop = 1; ; stop++ {
		commits = -1 // of opening
		to := onSQLite(t)(t, Options{Fault: func(point string) error {
			if point == "commit" {
				if commits++; commits == stop {
					return stopped
				}
			}
			return nil
		}})
		_, _, _, err := copyTo(t, from, to, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, stopped) {
			t.Fatal(err)
		}
		mustCopy(t, from, to)
	}
	if stop < len(copyTables) {
		t.Errorf("only %d commits", stop)
	}
}

// TestCopyKnowsAllTables fails when a table is new and nobody has said whether
// it goes.
func TestCopyKnowsAllTables(t *testing.T) {
	eachEngine(t, func(t *testing.T, open opener) {
		db := open(t, Options{})
		query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
		if db.Shared() {
			query = `SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()`
		}
		page, err := reader(func(query string, args ...any) (rows, error) { return db.rows(t.Context(), query, args...) }).page(1, query)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page {
			name := row[0].(string)
			copied := slices.ContainsFunc(copyTables, func(c copyTable) bool { return c.name == name })
			if copied == slices.Contains(notCopied, name) {
				t.Errorf("table %s: is it copied by orlopd migrate?", name)
			}
		}
	})
}
