package sqlmeta

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orlop/orlop/internal/meta"
)

func samplePrincipal(id, name string) meta.Principal {
	at := time.Date(2026, 11, 25, 1, 2, 3, 4000, time.UTC)
	return meta.Principal{
		ID: id, Registry: 1, Kind: meta.KindServicePrincipal, Name: name, DisplayName: "ci", Created: at,
		Secrets: []meta.Secret{
			{ID: id + "-s1", Name: "password1", Hash: []byte("$sha256$00"), Created: at},
			{ID: id + "-s2", Name: "password2", Hash: []byte{0, 1, 2}, Created: at.Add(time.Second), Expires: at.Add(time.Hour)},
		},
		Roles: []meta.RoleAssignment{{Role: "AcrPull", Prefix: ""}, {Role: "AcrPush", Prefix: "samples/*"}},
	}
}

func openIdentity(t *testing.T, open opener) *DB {
	t.Helper()
	db := open(t, Options{})
	if err := db.Update(t.Context(), func(tx *Tx) error { return tx.EnsureRegistry(2, "other") }); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestPrincipals(t *testing.T) { eachEngine(t, testPrincipals) }

func testPrincipals(t *testing.T, open opener) {
	db := openIdentity(t, open)
	want := samplePrincipal("id-b", "b")
	if ok, err := db.CreatePrincipal(t.Context(), want); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := db.CreatePrincipal(t.Context(), samplePrincipal("id-c", "b")); ok || err != nil {
		t.Errorf("a name is taken twice: %v, %v", ok, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openIdentity(t, open)
	for _, find := range []func() (meta.Principal, bool, error){
		func() (meta.Principal, bool, error) { return db.Principal(t.Context(), 1, "id-b") },
		func() (meta.Principal, bool, error) { return db.PrincipalNamed(t.Context(), 1, "b") },
	} {
		got, ok, err := find()
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	if _, ok, err := db.Principal(t.Context(), 2, "id-b"); ok || err != nil {
		t.Errorf("another registry has it: %v, %v", ok, err)
	}
	if _, ok, err := db.PrincipalNamed(t.Context(), 1, "B"); ok || err != nil {
		t.Errorf("names do not compare by bytes: %v, %v", ok, err)
	}
}

func TestListPrincipals(t *testing.T) { eachEngine(t, testListPrincipals) }

func testListPrincipals(t *testing.T, open opener) {
	db := openIdentity(t, open)
	for _, id := range []string{"a", "c", "b"} {
		if _, err := db.CreatePrincipal(t.Context(), samplePrincipal(id, id)); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for after := ""; ; {
		page, err := db.Principals(t.Context(), 1, meta.KindServicePrincipal, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page {
			ids, after = append(ids, p.ID), p.ID
			if len(p.Roles) != 2 || len(p.Secrets) != 2 {
				t.Errorf("%s has %d roles and %d secrets", p.ID, len(p.Roles), len(p.Secrets))
			}
		}
		if len(page) < 2 {
			break
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, ids); diff != "" {
		t.Error(diff)
	}
	for _, kind := range []meta.Kind{meta.KindAdmin, meta.KindUser} {
		if got, err := db.Principals(t.Context(), 1, kind, "", 10); len(got) != 0 || err != nil {
			t.Errorf("%s: %v, %v", kind, got, err)
		}
	}
}

func TestEditAndDeletePrincipal(t *testing.T) { eachEngine(t, testEditAndDeletePrincipal) }

func testEditAndDeletePrincipal(t *testing.T, open opener) {
	db := openIdentity(t, open)
	p := samplePrincipal("a", "a")
	if _, err := db.CreatePrincipal(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	fresh := []meta.Secret{{ID: "new", Name: "password1", Hash: []byte("x"), Created: p.Created}}
	edit := func(p *meta.Principal) error {
		p.Secrets, p.Roles, p.Disabled, p.DisplayName = fresh, p.Roles[1:], true, "changed"
		return nil
	}
	if ok, err := db.EditPrincipal(t.Context(), 2, "a", edit); ok || err != nil {
		t.Errorf("a principal of another registry was changed: %v, %v", ok, err)
	}
	refused := errors.New("refused")
	if ok, err := db.EditPrincipal(t.Context(), 1, "a", func(p *meta.Principal) error { p.Secrets = nil; return refused }); ok || !errors.Is(err, refused) {
		t.Errorf("%v, %v", ok, err)
	}
	if ok, err := db.EditPrincipal(t.Context(), 1, "a", edit); !ok || err != nil {
		t.Fatal(ok, err)
	}
	got, _, err := db.Principal(t.Context(), 1, "a")
	if err != nil {
		t.Fatal(err)
	}
	want := p
	want.Secrets, want.Roles, want.Disabled, want.DisplayName = fresh, p.Roles[1:], true, "changed"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if ok, err := db.DeletePrincipal(t.Context(), 1, meta.KindUser, "a"); ok || err != nil {
		t.Errorf("deleted as another kind: %v, %v", ok, err)
	}
	if ok, err := db.DeletePrincipal(t.Context(), 1, meta.KindServicePrincipal, "a"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	for _, table := range []string{"principals", "secrets", "role_assignments"} {
		var n int
		if err := db.row(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s has %d rows left: %v", table, n, err)
		}
	}
	if ok, err := db.EditPrincipal(t.Context(), 1, "a", edit); ok || err != nil {
		t.Errorf("a deleted principal was changed: %v, %v", ok, err)
	}
}

// TestCreateFailsWhole has a principal whose secret cannot be stored leave
// nothing.
func TestCreateFailsWhole(t *testing.T) { eachEngine(t, testCreateFailsWhole) }

func testCreateFailsWhole(t *testing.T, open opener) {
	db := openIdentity(t, open)
	p := samplePrincipal("a", "a")
	p.Secrets[1].ID = p.Secrets[0].ID
	if ok, err := db.CreatePrincipal(t.Context(), p); ok || err == nil {
		t.Fatal("two secrets have one id")
	}
	if _, ok, err := db.Principal(t.Context(), 1, "a"); ok || err != nil {
		t.Errorf("half a principal is there: %v, %v", ok, err)
	}
}

func TestCreateAtOnce(t *testing.T) { eachEngine(t, testCreateAtOnce) }

func testCreateAtOnce(t *testing.T, open opener) {
	db := openIdentity(t, open)
	var wg sync.WaitGroup
	var winners atomic.Int32
	for i := range 20 {
		wg.Go(func() {
			ok, err := db.CreatePrincipal(t.Context(), samplePrincipal(string(rune('a'+i)), "ci"))
			if err != nil {
				t.Error(err)
			}
			if ok {
				winners.Add(1)
			}
		})
	}
	wg.Wait()
	if winners.Load() != 1 {
		t.Errorf("%d got the name", winners.Load())
	}
}

func TestServerKeys(t *testing.T) { eachEngine(t, testServerKeys) }

func testServerKeys(t *testing.T, open opener) {
	db := openIdentity(t, open)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	key := func(id string, age time.Duration) meta.ServerKey {
		return meta.ServerKey{ID: id, Purpose: "sign", Secret: []byte(id), Created: at.Add(age)}
	}
	for _, k := range []meta.ServerKey{key("first", 0), key("second", time.Hour)} {
		if err := db.EnsureServerKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.AddServerKey(t.Context(), key("third", time.Minute)); err != nil {
		t.Fatal(err)
	}
	got, err := db.ServerKeys(t.Context(), "sign")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]meta.ServerKey{key("third", time.Minute), key("first", 0)}, got); diff != "" {
		t.Error(diff)
	}
	if got, err := db.ServerKeys(t.Context(), "other"); len(got) != 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestAnonymousPull(t *testing.T) { eachEngine(t, testAnonymousPull) }

func testAnonymousPull(t *testing.T, open opener) {
	db := openIdentity(t, open)
	err := db.Update(t.Context(), func(tx *Tx) error {
		for _, name := range []string{"open", "closed"} {
			if _, err := tx.ensureRepository(1, name); err != nil {
				return err
			}
		}
		_, err := tx.exec(`UPDATE repositories SET anonymous_pull = TRUE WHERE name = 'open'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(registry int64, repo string, want bool) {
		t.Helper()
		if got, err := db.AnonymousPull(t.Context(), registry, repo); got != want || err != nil {
			t.Errorf("%d %s: %v, %v", registry, repo, got, err)
		}
	}
	check(1, "open", true)
	check(1, "closed", false)
	check(1, "absent", false)
	check(2, "open", false)
	check(3, "open", false)
	if err := db.EditAccess(t.Context(), 1, func(a *meta.Access) { a.AnonymousPull = true }); err != nil {
		t.Fatal(err)
	}
	check(1, "closed", true)
	check(2, "open", false)
}
