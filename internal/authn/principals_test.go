package authn

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

func TestEnsureAdmin(t *testing.T) {
	e := newEnv(t)
	ensure := func(password string, shown bool) string {
		t.Helper()
		got, err := e.EnsureAdmin(t.Context(), password)
		if err != nil || (got != "") != shown {
			t.Fatalf("%q: %q, %v", password, got, err)
		}
		return got
	}
	first := ensure("", true)
	s := e.good(basicAuth("admin", first))
	if !s.May(authz.Registry("principals", authz.Manage)) || !s.May(authz.Repository("a", authz.Delete)) {
		t.Error("the admin is not the owner")
	}
	ensure("", false)
	e.good(basicAuth("admin", first))
	ensure(first, false) // the same, given by hand
	e.good(basicAuth("admin", first))
	ensure("chosen", false)
	e.bad(basicAuth("admin", first))
	e.good(basicAuth("admin", "chosen"))
	token := "Bearer " + e.access(e.good(basicAuth("admin", "chosen")))
	ensure("chosen", false)
	e.good(token)
	ensure("changed", false)
	e.bad(token)
	e.bad(basicAuth("admin", "chosen"))
	e.good(basicAuth("admin", "changed"))
}

// TestAdminPasswordFailed has a password that could not be stored keep
// everybody out, rather than leave the old one in force.
func TestAdminPasswordFailed(t *testing.T) {
	e := newEnv(t)
	first, err := e.EnsureAdmin(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	e.good(basicAuth("admin", first))
	if _, err := e.EnsureAdmin(t.Context(), "chosen"); err != nil {
		t.Fatal(err)
	}
	e.db.Close()
	for _, password := range []string{first, "chosen"} {
		if s, err := e.Authenticate(t.Context(), registry, here, basicAuth("admin", password)); err == nil {
			t.Errorf("%s signed in", s.Identity.Name)
		}
	}
}

func TestServicePrincipals(t *testing.T) {
	e := newEnv(t)
	if _, err := e.EnsureAdmin(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	e.good(basicAuth("admin", "x"))
	admin, _, err := e.db.PrincipalNamed(t.Context(), registry, "admin")
	if err != nil {
		t.Fatal(err)
	}
	app, secret := e.application(authz.AcrPull, "")
	for _, id := range []string{admin.ID, "nobody", ""} {
		if err := e.DeleteServicePrincipal(t.Context(), registry, id); !errors.Is(err, ErrNoPrincipal) {
			t.Errorf("delete %q: %v", id, err)
		}
		if _, _, err := e.ResetSecret(t.Context(), registry, id, NewSecret{}); !errors.Is(err, ErrNoPrincipal) {
			t.Errorf("reset %q: %v", id, err)
		}
	}
	if err := e.DeleteServicePrincipal(t.Context(), registry+1, app); !errors.Is(err, ErrNoPrincipal) {
		t.Errorf("delete from another registry: %v", err)
	}
	e.good(basicAuth("admin", "x"))
	_, fresh, err := e.ResetSecret(t.Context(), registry, app, NewSecret{})
	if err != nil || fresh == secret {
		t.Fatal(fresh == secret, err)
	}
	e.good(basicAuth(app, fresh))
	e.bad(basicAuth(app, secret))
	list, err := e.ServicePrincipals(t.Context(), registry, "", 10)
	if err != nil || len(list) != 1 || list[0].ID != app {
		t.Errorf("%v, %v", list, err)
	}
}

func TestAnonymousPull(t *testing.T) {
	e := newEnv(t)
	closed, err := e.WithAnonymousPull(t.Context(), &Session{}, registry, "a")
	if err != nil || closed.May(authz.Repository("a", authz.Pull)) {
		t.Errorf("%v, pull is %v", err, closed.May(authz.Repository("a", authz.Pull)))
	}
	e.anonymousPull = true
	s, err := e.WithAnonymousPull(t.Context(), &Session{}, registry, "a")
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[authz.Access]bool{
		authz.Repository("a", authz.Pull): true, authz.Repository("a", authz.Push): false, authz.Repository("a", authz.Delete): false,
		authz.Repository("a", authz.MetadataRead): false, authz.Registry("catalog", authz.List): false, authz.Registry("principals", authz.Manage): false,
	} {
		if s.May(a) != want {
			t.Errorf("%+v is %v", a, !want)
		}
	}
	token := "Bearer " + e.access(s, "repository:a:pull,push")
	s, err = e.WithAnonymousPull(t.Context(), e.good(token), registry, "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	if !s.May(authz.Repository("a", authz.Pull)) || s.May(authz.Repository("b", authz.Pull)) || s.May(authz.Repository("a", authz.Push)) {
		t.Error("an anonymous token grants something else")
	}
	e.anonymousPull = false
	if s, err = e.WithAnonymousPull(t.Context(), e.good(token), registry, "a"); err != nil || s.May(authz.Repository("a", authz.Pull)) {
		t.Errorf("the token outlives anonymous pull: %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	e := newEnv(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p, secret, err := e.CreateServicePrincipal(t.Context(), registry, fmt.Sprint(i), []meta.RoleAssignment{{Role: authz.AcrPull}})
			if err != nil {
				t.Error(err)
				return
			}
			for range 50 {
				s, err := e.Authenticate(t.Context(), registry, here, basicAuth(p.Name, secret))
				if err != nil || s.Identity.ID != p.ID {
					t.Errorf("%v, %v", s, err)
					return
				}
			}
			if err := e.RotateKeys(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
