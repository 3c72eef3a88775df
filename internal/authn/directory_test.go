package authn

import (
	"errors"
	"testing"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

const another = registry + 1 // of newEnv

// in makes a principal with a role in a registry.
func (e *env) in(where int64, role, prefix string) (id, secret string) {
	e.t.Helper()
	p, secret, err := e.CreateServicePrincipal(e.t.Context(), where, "x", []meta.RoleAssignment{{Role: role, Prefix: prefix}})
	if err != nil {
		e.t.Fatal(err)
	}
	return p.ID, secret
}

// TestRegistriesAreApart: whatever somebody of one registry shows is worth
// nothing at another, owners of the server apart.
func TestRegistriesAreApart(t *testing.T) {
	e := newEnv(t)
	push := authz.Repository("samples/app", authz.Push)
	for name, c := range map[string]struct {
		home, elsewhere int64
		role, prefix    string
	}{
		"a contributor":                    {registry, another, authz.Contributor, ""},
		"an owner of some repositories":    {registry, another, authz.Owner, "samples/*"},
		"an owner of another registry":     {another, registry, authz.Owner, ""},
		"a contributor of another":         {another, registry, authz.Contributor, ""},
		"who may push to another registry": {another, registry, authz.AcrPush, "samples/*"},
	} {
		id, secret := e.in(c.home, c.role, c.prefix)
		s, err := e.Authenticate(t.Context(), c.home, here, basicAuth(id, secret))
		if err != nil {
			t.Fatal(name, err)
		}
		if s.May(authz.Registry("registries", authz.Manage)) {
			t.Errorf("%s may make registries", name)
		}
		access, _ := e.AccessToken(s, c.home, "myregistry.example", authz.ParseScopes("repository:samples/app:pull,push"))
		refresh, _, _ := e.RefreshToken(s, c.home, "myregistry.example")
		management, _, err := e.IssueManagementToken(t.Context(), s, DataAudience)
		if err != nil {
			t.Fatal(name, err)
		}
		for what, header := range map[string]string{
			"the password": basicAuth(id, secret), "an access token": "Bearer " + access, "a refresh token": basicAuth(NullUser, refresh),
		} {
			if _, err := e.Authenticate(t.Context(), c.elsewhere, here, header); !errors.Is(err, ErrBadCredentials) {
				t.Errorf("%s: %s is taken elsewhere: %v", name, what, err)
			}
			if s, err := e.Authenticate(t.Context(), c.home, here, header); err != nil || what != "a refresh token" && !s.May(push) {
				t.Errorf("%s: %s is not taken at home: %v", name, what, err)
			}
		}
		if _, err := e.RefreshSession(t.Context(), c.elsewhere, refresh); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("%s: a refresh token: %v", name, err)
		}
		if _, err := e.ExchangeSession(t.Context(), c.elsewhere, management); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("%s: a management token: %v", name, err)
		}
		if got, err := e.VerifyManagementToken(t.Context(), Home, management); err != nil || got.Identity.ID != id || got.Identity.Registry != c.home {
			t.Errorf("%s at home: %+v, %v", name, got, err)
		}
	}
}

// TestOwnersOfTheServer: an Owner of the default registry is Owner of all, for as
// long as that lasts, and in the mode of each.
func TestOwnersOfTheServer(t *testing.T) {
	e := newEnv(t)
	id, secret := e.in(registry, authz.Owner, "")
	read, manage := authz.Repository("samples/app", authz.Pull), authz.Registry("principals", authz.Manage)
	session := func(want error) *Session {
		t.Helper()
		s, err := e.Authenticate(t.Context(), another, here, basicAuth(id, secret))
		if !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
		return s
	}
	s := session(nil)
	if !s.May(read) || !s.May(manage) || !s.May(authz.Registry("registries", authz.Manage)) || s.Identity.Registry != another {
		t.Errorf("%+v", s.Identity)
	}
	token, _, err := e.IssueManagementToken(t.Context(), e.good(basicAuth(id, secret)), "https://management.example")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := e.ExchangeSession(t.Context(), another, token); err != nil || !s.May(read) {
		t.Error(err)
	}
	// Its tokens of one registry are for that one.
	access, _ := e.AccessToken(s, another, "another.example", authz.ParseScopes("repository:samples/app:pull"))
	if _, err := e.Authenticate(t.Context(), registry, here, "Bearer "+access); !errors.Is(err, ErrBadCredentials) {
		t.Error(err)
	}
	if err := e.EditAccess(t.Context(), another, func(a *meta.Access) { a.RepositoryRoles = true }); err != nil {
		t.Fatal(err)
	}
	if s := session(nil); s.May(read) || !s.May(manage) {
		t.Error("the mode of the other registry does not count")
	}
	// It is nobody's account there: it is changed at home only.
	if err := e.DeleteServicePrincipal(t.Context(), another, id); !errors.Is(err, ErrNoPrincipal) {
		t.Error(err)
	}
	if err := e.Unassign(t.Context(), registry, id, meta.RoleAssignment{Role: authz.Owner}); err != nil {
		t.Fatal(err)
	}
	session(ErrBadCredentials)
	if _, err := e.ExchangeSession(t.Context(), another, token); !errors.Is(err, ErrBadCredentials) {
		t.Error(err)
	}
	if home, err := e.RegistryOf(t.Context(), id); err != nil || home != registry {
		t.Error(home, err)
	}
}

// TestSameName: an account of a registry comes before an owner of the server of
// the same name, and is none.
func TestSameName(t *testing.T) {
	e := newEnv(t)
	for where, password := range map[int64]string{registry: "the password here", another: "the password there"} {
		if _, _, err := e.CreateUser(t.Context(), where, "ann", password, []meta.RoleAssignment{{Role: authz.Owner}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.SignIn(t.Context(), another, here, "ann", "the password here"); !errors.Is(err, ErrBadCredentials) {
		t.Error(err)
	}
	s, err := e.SignIn(t.Context(), another, here, "ann", "the password there")
	if err != nil || s.May(authz.Registry("registries", authz.Manage)) {
		t.Error(err)
	}
}
