package sqlmeta

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// counts counts the rows of tables.
func counts(t *testing.T, db *DB, tables ...string) []int {
	t.Helper()
	out := make([]int, len(tables))
	for i, table := range tables {
		if err := db.row(t.Context(), `SELECT count(*) FROM `+table).Scan(&out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestIndexBeforeItsChildren follows the edges of an index whose child comes,
// goes and comes again, in its own repository only.
func TestIndexBeforeItsChildren(t *testing.T) { eachEngine(t, testIndexBeforeItsChildren) }

func testIndexBeforeItsChildren(t *testing.T, open opener) {
	db, _ := openAt(t, open)
	if err := putSmall(db, t, "b", "x"); err != nil {
		t.Fatal(err)
	}
	child, parent := manifestOf("child", "x"), manifestOf("parent", "x", digest.FromString("child"))
	for _, step := range []struct {
		name           string
		fn             func(tx *Tx) error
		edges, missing int
	}{
		{"index", func(tx *Tx) error { return tx.PutManifest(1, "a", parent, []string{"p"}, "") }, 0, 1},
		{"another repository's child", func(tx *Tx) error { return tx.PutManifest(1, "b", child, nil, "") }, 0, 1},
		{"child", func(tx *Tx) error { return tx.PutManifest(1, "a", child, nil, "") }, 1, 0},
		{"child again", func(tx *Tx) error { return tx.PutManifest(1, "a", child, nil, "") }, 1, 0},
		{"child deleted", func(tx *Tx) error {
			_, err := tx.DeleteManifest(1, "a", child.Descriptor.Digest, "")
			return err
		}, 0, 1},
		{"child back", func(tx *Tx) error { return tx.PutManifest(1, "a", child, nil, "") }, 1, 0},
		{"index deleted", func(tx *Tx) error {
			_, err := tx.DeleteManifest(1, "a", parent.Descriptor.Digest, "")
			return err
		}, 0, 0},
		{"index after its child", func(tx *Tx) error { return tx.PutManifest(1, "a", parent, nil, "") }, 1, 0},
	} {
		update(t, db, step.fn)
		if got := counts(t, db, "manifest_children", "missing_children"); !slices.Equal(got, []int{step.edges, step.missing}) {
			t.Errorf("%s: %v edges and missing, want %d and %d", step.name, got, step.edges, step.missing)
		}
	}
}

// TestDeleteRepositoryLeavesNothing deletes a repository that has some of
// everything, and then the one that has the same.
func TestDeleteRepositoryLeavesNothing(t *testing.T) {
	eachEngine(t, testDeleteRepositoryLeavesNothing)
}

func testDeleteRepositoryLeavesNothing(t *testing.T, open opener) {
	db, _ := openAt(t, open)
	tables := []string{
		"repositories", "repository_blobs", "manifests", "manifest_payloads", "referrers", "manifest_blobs",
		"manifest_children", "missing_children", "missing_blobs", "tags",
	}
	fill := func(repo string) {
		if err := putSmall(db, t, repo, "x"); err != nil {
			t.Fatal(err)
		}
		child, parent := manifestOf("child", "x"), manifestOf("parent", "x", digest.FromString("child"), digest.FromString("none"))
		parent.Subject, parent.Sparse = child.Descriptor.Digest, true
		parent.Blobs = append(parent.Blobs, ocispec.Descriptor{Digest: digest.FromString("late"), Size: 4})
		update(t, db, func(tx *Tx) error { return tx.PutManifest(1, repo, child, []string{"c"}, "") })
		update(t, db, func(tx *Tx) error { return tx.PutManifest(1, repo, parent, []string{"p", "q"}, "") })
	}
	fill("a")
	one := counts(t, db, tables...)
	if slices.Contains(one, 0) {
		t.Fatalf("a table is not used: %v of %q", one, tables)
	}
	fill("b")
	for _, step := range []struct {
		repo string
		left []int
	}{{"a", one}, {"b", make([]int, len(tables))}} {
		update(t, db, func(tx *Tx) error {
			gone, err := tx.DeleteRepository(1, step.repo, "")
			if len(gone.Manifests) != 2 || len(gone.Tags) != 3 {
				t.Errorf("%s: %+v", step.repo, gone)
			}
			return err
		})
		if got := counts(t, db, tables...); !slices.Equal(got, step.left) {
			t.Errorf("after %s: %v, want %v of %q", step.repo, got, step.left, tables)
		}
	}
}

// TestTagHistory wants each change of a tag recorded once, and the repository
// marked as changed with it.
func TestTagHistory(t *testing.T) { eachEngine(t, testTagHistory) }

func testTagHistory(t *testing.T, open opener) {
	db, now := openAt(t, open)
	var want []string
	step := func(line string, fn func(tx *Tx) error) {
		t.Helper()
		*now = now.Add(time.Hour)
		update(t, db, fn)
		if line != "" {
			want = append(want, line)
		}
		info, err := db.RepositoryInfo(t.Context(), 1, "a")
		if err != nil || !info.Updated.Equal(*now) {
			t.Errorf("%q: the repository was changed %v, %v; want %v", line, info.Updated, err, *now)
		}
	}
	put := func(raw string) func(tx *Tx) error {
		return func(tx *Tx) error { return tx.PutManifest(1, "a", manifestOf(raw, "x"), []string{"v1"}, "me") }
	}
	name := func(raw string) string {
		if raw == "" {
			return ""
		}
		return digest.FromString(raw).Encoded()[:4]
	}
	line := func(from, to string) string { return fmt.Sprintf("v1 %s>%s me", name(from), name(to)) }
	step(line("", "one"), put("one"))
	step("", put("one"))
	step(line("one", "two"), put("two"))
	step(line("two", ""), func(tx *Tx) error { return tx.DeleteTag(1, "a", "v1", "me") })
	step(line("", "one"), put("one"))
	step(line("one", ""), func(tx *Tx) error {
		_, err := tx.DeleteManifest(1, "a", digest.FromString("one"), "me")
		return err
	})
	got, err := list(db, t.Context(), func(scan func(...any) error) (string, error) {
		var tag, actor string
		var from, to []byte
		err := scan(&tag, &from, &to, &actor)
		short := func(b []byte) string {
			if b == nil {
				return ""
			}
			return unpackDigest(b).Encoded()[:4]
		}
		return fmt.Sprintf("%s %s>%s %s", tag, short(from), short(to), actor), err
	}, `SELECT name, old_digest, new_digest, actor FROM tag_history ORDER BY id`)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("history %q, %v; want %q", got, err, want)
	}
}
