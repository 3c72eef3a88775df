package sqlmeta

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

func smallBlob(content string) meta.Blob {
	return meta.Blob{Digest: digest.FromString(content), Size: int64(len(content)), Content: []byte(content)}
}

// TestSoftDeletePolicy: a registry keeps what is deleted as its policy says,
// whatever the server and the others do.
func TestSoftDeletePolicy(t *testing.T) { eachEngine(t, testSoftDeletePolicy) }

func testSoftDeletePolicy(t *testing.T, open opener) {
	db, now := openKeeping(t, open)
	other, ok, err := db.CreateRegistry(t.Context(), "another")
	if err != nil || !ok {
		t.Fatal(err)
	}
	policy := func(registry int64, p meta.Policy) {
		t.Helper()
		if err := db.EditAccess(t.Context(), registry, func(a *meta.Access) { a.SoftDelete = p }); err != nil {
			t.Fatal(err)
		}
		if a, err := db.Access(t.Context(), registry); err != nil || a.SoftDelete != p {
			t.Fatal(a, err)
		}
	}
	remove := func(registry int64, name string) {
		t.Helper()
		m := manifestOf(name, "x")
		update(t, db, func(tx *Tx) error { return tx.PutManifest(registry, "a", m, []string{name}, "") })
		update(t, db, func(tx *Tx) error {
			_, err := tx.DeleteManifest(registry, "a", m.Descriptor.Digest, "")
			return err
		})
	}
	expire := func() {
		t.Helper()
		update(t, db, func(tx *Tx) error { _, err := tx.ExpireDeleted(Step{Until: *now, Rows: 10}); return err })
	}
	left := func(registry int64, want ...int) {
		t.Helper()
		manifests, err := db.DeletedManifests(t.Context(), registry, "a", "", 10)
		tags, err2 := db.DeletedTags(t.Context(), registry, "a", 0, 10)
		if got := []int{len(manifests), len(tags)}; err != nil || err2 != nil || !slices.Equal(got, want) {
			t.Errorf("registry %d: %v, want %v; %v %v", registry, got, want, err, err2)
		}
	}
	for _, registry := range []int64{1, other.ID} {
		update(t, db, func(tx *Tx) error { _, err := tx.PutBlob(registry, "a", smallBlob("x")); return err })
	}
	policy(other.ID, meta.Policy{Set: true, Enabled: true, Days: 2})
	remove(1, "m")
	remove(other.ID, "n")
	*now = now.Add(time.Hour)
	expire()
	left(1, 0, 0)
	left(other.ID, 1, 1)
	if found, err := db.DeletedTags(t.Context(), other.ID, "a", 0, 1); err != nil || found[0].Expires.Sub(found[0].Deleted) != 48*time.Hour {
		t.Error(found, err)
	}
	// Turned off, what was deleted before stays as long as it would have.
	policy(other.ID, meta.Policy{Set: true, Enabled: false, Days: 2})
	remove(other.ID, "o")
	left(other.ID, 1, 1)
	*now = now.Add(47 * time.Hour)
	if work, err := db.GCWork(t.Context(), *now); err != nil || !work.Deleted {
		t.Error(work, err)
	}
	expire()
	left(other.ID, 0, 0)
	if work, err := db.GCWork(t.Context(), *now); err != nil || work.Deleted {
		t.Error(work, err)
	}
}

// TestPurgeRegistries: of a deleted registry nothing stays but blobs, which the
// collector takes in its own time, and then nothing at all; the others keep what
// they have.
func TestPurgeRegistries(t *testing.T) { eachEngine(t, testPurgeRegistries) }

func testPurgeRegistries(t *testing.T, open opener) {
	db, _ := openKeeping(t, open)
	other, _, err := db.CreateRegistry(t.Context(), "another")
	if err != nil {
		t.Fatal(err)
	}
	tables := []string{"repositories", "manifests", "tags", "uploads", "deleted_manifests", "deleted_tags", "principals", "scope_maps", "blobs", "registries"}
	before := counts(t, db, tables...)
	fill := func(registry int64) {
		t.Helper()
		update(t, db, func(tx *Tx) error { _, err := tx.PutBlob(registry, "b", smallBlob("y")); return err })
		for _, name := range []string{"m", "gone"} {
			m := manifestOf(name, "y")
			update(t, db, func(tx *Tx) error { return tx.PutManifest(registry, "b", m, []string{name}, "") })
		}
		update(t, db, func(tx *Tx) error {
			_, err := tx.DeleteManifest(registry, "b", manifestOf("gone", "y").Descriptor.Digest, "")
			return err
		})
		update(t, db, func(tx *Tx) error {
			return tx.SetRepositoryLocks(registry, "b", meta.LockChange{Set: meta.NoDelete | meta.NoWrite})
		})
		if ok, err := db.CreatePrincipal(t.Context(), meta.Principal{ID: "p", Registry: registry, Kind: meta.KindUser, Name: "ann"}); err != nil || !ok {
			t.Fatal(ok, err)
		}
		if ok, err := db.CreateScopeMap(t.Context(), meta.ScopeMap{Registry: registry, Name: "readers"}); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	fill(other.ID)
	if ok, err := db.DeleteRegistry(t.Context(), meta.DefaultRegistry); ok || err != nil {
		t.Error("the default registry could be deleted", err)
	}
	if ok, err := db.DeleteRegistry(t.Context(), other.ID); !ok || err != nil {
		t.Fatal(err)
	}
	if ok, err := db.DeleteRegistry(t.Context(), other.ID); ok || err != nil {
		t.Error("deleted twice", err)
	}
	if _, ok, err := db.RegistryNamed(t.Context(), "another"); ok || err != nil {
		t.Error(ok, err)
	}
	if _, ok, err := db.CreateRegistry(t.Context(), "another"); !ok || err != nil {
		t.Error("the name is not free", err)
	}
	purge := func() {
		t.Helper()
		for more := true; more; {
			update(t, db, func(tx *Tx) (err error) { more, err = tx.PurgeRegistries(1); return err })
		}
	}
	purge()
	want := slices.Clone(before)
	want[len(want)-2]++ // its blob, until the collector comes
	want[len(want)-1]++ // the registry, which the blob is of; and "another" again
	if got := counts(t, db, tables...); !slices.Equal(got, want) {
		t.Errorf("%v: %v, want %v", tables, got, want)
	}
	update(t, db, func(tx *Tx) error {
		_, err := tx.exec(`DELETE FROM blobs WHERE registry_id = $1`, other.ID)
		return err
	})
	purge()
	if got := counts(t, db, tables...); !slices.Equal(got, before) {
		t.Errorf("%v: %v, want %v", tables, got, before)
	}
	if _, err := db.Access(t.Context(), other.ID); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestRenameRegistry(t *testing.T) { eachEngine(t, testRenameRegistry) }

func testRenameRegistry(t *testing.T, open opener) {
	db, _ := openKeeping(t, open)
	for name, kind := range map[string]meta.Kind{"default": meta.KindAdminUser, "jane1": meta.KindUser} {
		if ok, err := db.CreatePrincipal(t.Context(), meta.Principal{ID: name, Registry: 1, Kind: kind, Name: name}); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	if _, ok, err := db.CreateRegistry(t.Context(), "another"); !ok || err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"another": false, "jane1": false, "myregistry": true} {
		if ok, err := db.RenameRegistry(t.Context(), 1, name); ok != want || err != nil {
			t.Errorf("%s: %v %v", name, ok, err)
		}
	}
	if ok, err := db.RenameRegistry(t.Context(), 1, "myregistry"); !ok || err != nil {
		t.Errorf("the name that it has: %v %v", ok, err)
	}
	if p, ok, err := db.PrincipalNamed(t.Context(), 1, "myregistry"); !ok || err != nil || p.Kind != meta.KindAdminUser {
		t.Errorf("the admin user is not called like its registry: %+v %v", p, err)
	}
	if registry, ok, err := db.RegistryOf(t.Context(), "jane1"); registry != 1 || !ok || err != nil {
		t.Error(registry, ok, err)
	}
}
