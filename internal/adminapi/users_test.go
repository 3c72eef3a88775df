package adminapi

import (
	"errors"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/admin"
)

func TestUsers(t *testing.T) {
	e := newEnv(t)
	c := e.client("admin", e.password)
	made, err := c.CreateUser(t.Context(), admin.NewUser{Name: "ann", Roles: []string{"AcrPush"}, Repositories: []string{"samples/*"}})
	if err != nil || made.Name != "ann" || !e.signsIn("ann", made.Password) {
		t.Fatalf("%+v, %v", made, err)
	}
	chosen, err := c.CreateUser(t.Context(), admin.NewUser{Name: "bob", Password: "a password of bob's", Roles: []string{"Reader"}})
	if err != nil || chosen.Password != "" || !e.signsIn("bob", "a password of bob's") {
		t.Fatalf("%+v, %v", chosen, err)
	}
	roles := map[string][]admin.Role{}
	for u, err := range c.Users(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		roles[u.Name] = u.Roles
	}
	if len(roles) != 2 || roles["ann"][0] != (admin.Role{Role: "AcrPush", Repository: "samples/*"}) {
		t.Errorf("%v", roles)
	}
	again, err := c.SetPassword(t.Context(), "ann", "")
	if err != nil || e.signsIn("ann", made.Password) || !e.signsIn("ann", again.Password) {
		t.Errorf("after a new password: %v", err)
	}
	if err := c.DeleteUser(t.Context(), "ann"); err != nil || e.signsIn("ann", again.Password) {
		t.Errorf("after the deletion: %v", err)
	}
	for what, err := range map[string]error{
		"a taken name":  second(c.CreateUser(t.Context(), admin.NewUser{Name: "bob", Roles: []string{"Reader"}})),
		"a bad name":    second(c.CreateUser(t.Context(), admin.NewUser{Name: "a b", Roles: []string{"Reader"}})),
		"a weak secret": second(c.CreateUser(t.Context(), admin.NewUser{Name: "eve", Password: "short", Roles: []string{"Reader"}})),
		"no role":       second(c.CreateUser(t.Context(), admin.NewUser{Name: "eve"})),
	} {
		if e, ok := errors.AsType[*orlop.Error](err); !ok || e.HTTPStatus()/100 != 4 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
