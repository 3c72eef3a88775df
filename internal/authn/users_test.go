package authn

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

func TestUsers(t *testing.T) {
	e := newEnv(t)
	signIn := func(name, password string) error {
		_, err := e.SignIn(t.Context(), meta.DefaultRegistry, netip.Addr{}, name, password)
		return err
	}
	roles := []meta.RoleAssignment{{Role: authz.AcrPush, Prefix: "samples/*"}}
	if _, generated, err := e.CreateUser(t.Context(), meta.DefaultRegistry, "ann", "a long password", roles); err != nil || generated != "" {
		t.Fatal(generated, err)
	}
	_, generated, err := e.CreateUser(t.Context(), meta.DefaultRegistry, "bob@example.com", "", roles)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(signIn("ann", "a long password"), signIn("bob@example.com", generated)); err != nil {
		t.Error(err)
	}
	if err := signIn("ann", generated); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("with another's password: %v", err)
	}
	if generated, err = e.SetPassword(t.Context(), meta.DefaultRegistry, "ann", ""); err != nil || signIn("ann", generated) != nil {
		t.Errorf("with a new password: %v", err)
	}
	if err := signIn("ann", "a long password"); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("with the old password: %v", err)
	}
	users, err := e.Users(t.Context(), meta.DefaultRegistry, "", 10)
	if err != nil || len(users) != 2 {
		t.Errorf("%v, %v", users, err)
	}
	if err := e.DeleteUser(t.Context(), meta.DefaultRegistry, "ann"); err != nil || !errors.Is(signIn("ann", generated), ErrBadCredentials) {
		t.Errorf("after it was deleted: %v", err)
	}
	if err := e.DeleteUser(t.Context(), meta.DefaultRegistry, "ann"); !errors.Is(err, ErrNoPrincipal) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestUserRefused(t *testing.T) {
	e := newEnv(t)
	if _, err := e.EnsureAdmin(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"":                                     ErrUserName,
		"1st":                                  ErrUserName,
		"a:b":                                  ErrUserName,
		"a b":                                  ErrUserName,
		"a\n":                                  ErrUserName,
		strings.Repeat("a", 65):                ErrUserName,
		"abcdef00-0000-0000-0000-000000000000": ErrUserName,
		"admin":                                ErrNameTaken,
	} {
		if _, _, err := e.CreateUser(t.Context(), meta.DefaultRegistry, name, "", nil); !errors.Is(err, want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, password := range []string{"short", strings.Repeat("x", maxPassword+1)} {
		if _, _, err := e.CreateUser(t.Context(), meta.DefaultRegistry, "ann", password, nil); !errors.Is(err, ErrWeakPassword) {
			t.Errorf("a password of %d bytes: %v", len(password), err)
		}
	}
	// The admin is no user: its password is the server's to set.
	if _, err := e.SetPassword(t.Context(), meta.DefaultRegistry, "admin", ""); !errors.Is(err, ErrNoPrincipal) {
		t.Errorf("password of the admin: %v", err)
	}
	if err := e.DeleteUser(t.Context(), meta.DefaultRegistry, "admin"); !errors.Is(err, ErrNoPrincipal) {
		t.Errorf("deletion of the admin: %v", err)
	}
}
