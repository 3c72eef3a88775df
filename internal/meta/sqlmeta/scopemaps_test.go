package sqlmeta

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orlop/orlop/internal/meta"
)

func TestScopeMaps(t *testing.T) { eachEngine(t, testScopeMaps) }

func testScopeMaps(t *testing.T, open opener) {
	db := openIdentity(t, open)
	m := meta.ScopeMap{Registry: 1, Name: "readers", Description: "read it", Actions: []string{"repositories/a/content/read"},
		Created: time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC)}
	for i, want := range []bool{true, false} {
		if ok, err := db.CreateScopeMap(t.Context(), m); ok != want || err != nil {
			t.Fatalf("%d: %v, %v", i, ok, err)
		}
	}
	if _, ok, err := db.ScopeMap(t.Context(), 2, "readers"); ok || err != nil {
		t.Errorf("another registry has it: %v, %v", ok, err)
	}
	p := meta.Principal{ID: "t", Registry: 1, Kind: meta.KindToken, Name: "robot", Created: m.Created, ScopeMap: "readers"}
	if ok, err := db.CreatePrincipal(t.Context(), p); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if deleted, used, err := db.DeleteScopeMap(t.Context(), 1, "readers"); deleted || !used || err != nil {
		t.Errorf("one in use was deleted: %v, %v, %v", deleted, used, err)
	}
	more := append(m.Actions, "repositories/a/content/write")
	if ok, err := db.EditScopeMap(t.Context(), 1, "readers", func(m *meta.ScopeMap) error { m.Actions = more; return nil }); !ok || err != nil {
		t.Fatal(ok, err)
	}
	got, _, err := db.Principal(t.Context(), 1, "t")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(more, got.Actions); diff != "" {
		t.Errorf("the token has (-want +got)\n%s", diff)
	}
	list, err := db.ScopeMaps(t.Context(), 1, "", 10)
	m.Actions = more
	if diff := cmp.Diff([]meta.ScopeMap{m}, list); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := db.DeletePrincipal(t.Context(), 1, meta.KindToken, "t"); err != nil {
		t.Fatal(err)
	}
	if deleted, used, err := db.DeleteScopeMap(t.Context(), 1, "readers"); !deleted || used || err != nil {
		t.Errorf("%v, %v, %v", deleted, used, err)
	}
	if ok, err := db.EditScopeMap(t.Context(), 1, "readers", func(*meta.ScopeMap) error { return nil }); ok || err != nil {
		t.Errorf("a deleted one was changed: %v, %v", ok, err)
	}
}

// TestEditsExcludeEachOther has twenty callers add something to one principal
// at once: nothing gets lost.
func TestEditsExcludeEachOther(t *testing.T) { eachEngine(t, testEditsExcludeEachOther) }

func testEditsExcludeEachOther(t *testing.T, open opener) {
	db := openIdentity(t, open)
	p := meta.Principal{ID: "p", Registry: 1, Kind: meta.KindUser, Name: "p", Created: time.Unix(1, 0)}
	if _, err := db.CreatePrincipal(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			role := meta.RoleAssignment{Role: "AcrPull", Prefix: string(rune('a' + i))}
			ok, err := db.EditPrincipal(t.Context(), 1, "p", func(p *meta.Principal) error { p.Roles = append(p.Roles, role); return nil })
			if !ok || err != nil {
				t.Error(ok, err)
			}
		})
	}
	wg.Wait()
	got, _, err := db.Principal(t.Context(), 1, "p")
	if err != nil || len(got.Roles) != 20 {
		t.Errorf("%d roles, %v", len(got.Roles), err)
	}
}
