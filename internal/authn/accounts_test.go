package authn

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

// registryToken makes a registry token with the scope map readers, which reads from
// samples.
func (e *env) registryToken(name string) {
	e.t.Helper()
	_, err := e.CreateScopeMap(e.t.Context(), meta.ScopeMap{Registry: registry, Name: "readers", Actions: []string{"repositories/samples/*/content/read"}})
	if err == nil {
		_, err = e.CreateToken(e.t.Context(), registry, name, "readers", false)
	}
	if err != nil {
		e.t.Fatal(err)
	}
}

func TestRegistryToken(t *testing.T) {
	e := newEnv(t)
	e.registryToken("robot")
	e.bad(basicAuth("robot", "")) // it has no password yet
	_, first, err := e.GeneratePassword(t.Context(), registry, "robot", "password1", e.clock.now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := e.GeneratePassword(t.Context(), registry, "robot", "password2", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	s := e.good(basicAuth("robot", first))
	for a, want := range map[authz.Access]bool{
		authz.Repository("samples/a", authz.Pull): true, authz.Repository("samples/a", authz.MetadataRead): false,
		authz.Repository("samples/a", authz.Push): false, authz.Repository("other", authz.Pull): false,
		authz.Registry("catalog", authz.List): false, authz.Registry("tokens", authz.Manage): false,
	} {
		if s.May(a) != want {
			t.Errorf("%+v is %v", a, !want)
		}
	}
	token := "Bearer " + e.access(s, "repository:samples/a:pull,push")
	e.good(token)
	e.clock.pass(time.Hour)
	e.bad(basicAuth("robot", first)) // its end is that of its tokens
	e.bad(token)
	e.good(basicAuth("robot", second))
}

func TestRegistryTokenMistakes(t *testing.T) {
	e := newEnv(t)
	e.registryToken("robot")
	e.human("human", "password")
	ctx := t.Context()
	past := e.clock.now()
	second := func(_ any, err error) error { return err }
	third := func(_ meta.Secret, _ string, err error) error { return err }
	for name, c := range map[string]struct{ got, want error }{
		"a short name":           {second(e.CreateToken(ctx, registry, "abcd", "readers", false)), ErrTokenName},
		"a name with a colon":    {second(e.CreateToken(ctx, registry, "robot:x", "readers", false)), ErrTokenName},
		"a UUID":                 {second(e.CreateToken(ctx, registry, "7b0c8f6e-7f5b-4b8e-9d0c-0123456789ab", "readers", false)), ErrTokenName},
		"a taken name":           {second(e.CreateToken(ctx, registry, "human", "readers", false)), ErrNameTaken},
		"no scope map":           {second(e.CreateToken(ctx, registry, "robot2", "none", false)), ErrNoScopeMap},
		"a password's name":      {third(e.GeneratePassword(ctx, registry, "robot", "password3", time.Time{})), ErrPasswordName},
		"an expiry in the past":  {third(e.GeneratePassword(ctx, registry, "robot", "password1", past)), ErrExpiry},
		"a password of a user":   {third(e.GeneratePassword(ctx, registry, "human", "password1", time.Time{})), ErrNoPrincipal},
		"another registry":       {third(e.GeneratePassword(ctx, registry+1, "robot", "password1", time.Time{})), ErrNoPrincipal},
		"a user deleted as one":  {e.DeleteToken(ctx, registry, "human"), ErrNoPrincipal},
		"no password to delete":  {e.DeletePassword(ctx, registry, "robot", "password1"), ErrNoSecret},
		"a role for a token":     {e.Assign(ctx, registry, "robot", meta.RoleAssignment{Role: authz.Owner}), ErrNoRoles},
		"a builtin changed":      {e.EditScopeMap(ctx, registry, "_repositories_pull", func(*meta.ScopeMap) error { return nil }), ErrBuiltinScopeMap},
		"a builtin deleted":      {e.DeleteScopeMap(ctx, registry, "_repositories_pull"), ErrBuiltinScopeMap},
		"a used scope map":       {e.DeleteScopeMap(ctx, registry, "readers"), ErrScopeMapUsed},
		"a builtin's name":       {second(e.CreateScopeMap(ctx, meta.ScopeMap{Registry: registry, Name: "_readers"})), ErrTokenName},
		"a scope map twice":      {second(e.CreateScopeMap(ctx, meta.ScopeMap{Registry: registry, Name: "readers"})), ErrNameTaken},
		"an absent scope map":    {e.DeleteScopeMap(ctx, registry, "absent"), ErrNoScopeMap},
		"a scope map, by change": {e.SetTokenScopeMap(ctx, registry, "robot", "absent"), ErrNoScopeMap},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v", name, c.got)
		}
	}
}

func TestScopeMapsPage(t *testing.T) {
	e := newEnv(t)
	for _, name := range []string{"bbbbb", "aaaaa"} {
		if _, err := e.CreateScopeMap(t.Context(), meta.ScopeMap{Registry: registry, Name: name, Actions: []string{"repositories/x/content/read"}}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for after := ""; ; after = names[len(names)-1] {
		page, err := e.ScopeMaps(t.Context(), registry, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			names = append(names, m.Name)
		}
		if len(page) < 3 {
			break
		}
	}
	want := []string{"aaaaa", "bbbbb", "_repositories_admin", "_repositories_pull", "_repositories_pull_metadata_read", "_repositories_push", "_repositories_push_metadata_write"}
	if !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
}

func TestAdminUser(t *testing.T) {
	e := newEnv(t)
	off, err := e.AdminUser(t.Context(), registry)
	if err != nil || off.Enabled || len(off.Passwords) != 0 {
		t.Fatalf("%+v, %v", off, err)
	}
	if err := e.SetAdminUser(t.Context(), registry, true); err != nil {
		t.Fatal(err)
	}
	u, err := e.AdminUser(t.Context(), registry)
	if err != nil || !u.Enabled || len(u.Passwords) != 2 || u.Passwords[0].Value == u.Passwords[1].Value || len(u.Passwords[0].Value) < 50 {
		t.Fatalf("%+v, %v", u, err)
	}
	s := e.good(basicAuth(u.Name, u.Passwords[0].Value))
	e.good(basicAuth(u.Name, u.Passwords[1].Value))
	for a, want := range map[authz.Access]bool{
		authz.Repository("a", authz.Pull): true, authz.Repository("a", authz.Push): true, authz.Repository("a", authz.Delete): true,
		authz.Repository("a", authz.MetadataWrite): true, authz.Registry("catalog", authz.List): true,
		authz.Registry("principals", authz.Manage): false, authz.Registry("tokens", authz.Manage): false, authz.Registry("settings", authz.Manage): false,
	} {
		if s.May(a) != want {
			t.Errorf("%+v is %v", a, !want)
		}
	}
	if err := e.RenewAdminPassword(t.Context(), registry, "password2"); err != nil {
		t.Fatal(err)
	}
	again, err := e.AdminUser(t.Context(), registry)
	if err != nil || again.Passwords[0] != u.Passwords[0] || again.Passwords[1] == u.Passwords[1] {
		t.Errorf("%+v after %+v: %v", again, u, err)
	}
	e.bad(basicAuth(u.Name, u.Passwords[1].Value))
	e.good(basicAuth(u.Name, again.Passwords[1].Value))
	if err := e.RenewAdminPassword(t.Context(), registry, "password1"); !errors.Is(err, ErrAdminPasswordName) {
		t.Error(err)
	}
	kept, err := e.db.Principals(t.Context(), registry, meta.KindAdminUser, "", 10)
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	stored, err := json.Marshal(kept)
	if err != nil || strings.Contains(string(stored), u.Passwords[0].Value) {
		t.Errorf("the password is stored: %s, %v", stored, err)
	}
}

// TestModeInToken: acr-cli finds out the mode of a registry by a claim.
func TestModeInToken(t *testing.T) {
	e := newEnv(t)
	app, secret := e.application(authz.RepositoryReader, "samples/*")
	for _, mode := range []bool{false, true} {
		if err := e.EditAccess(t.Context(), registry, func(a *meta.Access) { a.RepositoryRoles = mode }); err != nil {
			t.Fatal(err)
		}
		s := e.good(basicAuth(app, secret))
		if s.May(authz.Repository("samples/a", authz.Pull)) != mode {
			t.Errorf("repository roles %v: pull is %v", mode, !mode)
		}
		payload, err := base64.RawStdEncoding.DecodeString(strings.Split(e.refresh(s), ".")[1])
		if err != nil || strings.Contains(string(payload), `"aad_identity"`) != mode {
			t.Errorf("repository roles %v: %s, %v", mode, payload, err)
		}
	}
}

// TestOwnerStays: the user admin cannot lose the right to give roles.
func TestOwnerStays(t *testing.T) {
	e := newEnv(t)
	if _, err := e.EnsureAdmin(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := e.Unassign(t.Context(), registry, "admin", meta.RoleAssignment{Role: authz.Owner}); !errors.Is(err, ErrLastOwner) {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"disabled": e.SetDisabled(t.Context(), registry, meta.KindUser, "admin", true),
		"deleted":  e.DeleteUser(t.Context(), registry, "admin"),
	} {
		if !errors.Is(err, ErrNoPrincipal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
