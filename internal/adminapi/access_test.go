package adminapi

import (
	"errors"
	"testing"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/admin"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/meta"
)

func TestAccess(t *testing.T) {
	e := newEnv(t)
	c := e.client("admin", e.password)
	want := admin.Access{RoleAssignmentMode: admin.ClassicRoles}
	if got, err := c.Access(t.Context()); got != want || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	want = admin.Access{AnonymousPull: true, RoleAssignmentMode: admin.RepositoryRoles}
	if _, err := c.SetAnonymousPull(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got, err := c.SetRoleMode(t.Context(), admin.RepositoryRoles); got != want || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	// The owner manages still, and gets itself the rights it has lost.
	give := admin.RoleAssignment{Assignee: "admin", Role: authz.RepositoryContributor}
	if err := c.Assign(t.Context(), give); err != nil {
		t.Fatal(err)
	}
	roles, err := c.RoleAssignments(t.Context(), "admin")
	if err != nil || len(roles) != 2 || roles[0] != give {
		t.Errorf("%+v, %v", roles, err)
	}
	// A contributor has no rights on content now, and makes no token that has.
	p, secret, err := e.ident.CreateServicePrincipal(t.Context(), meta.DefaultRegistry, "c", []meta.RoleAssignment{{Role: authz.Contributor}})
	if err != nil {
		t.Fatal(err)
	}
	contributor := e.client(p.Name, secret)
	if _, err := contributor.CreateToken(t.Context(), admin.NewToken{Name: "robot", ScopeMap: "_repositories_admin"}); err == nil {
		t.Error("a contributor makes a token that may do more than itself")
	}
	if _, err := contributor.SetRoleMode(t.Context(), admin.ClassicRoles); err == nil {
		t.Error("a contributor changes the mode")
	}
	if _, err := contributor.Access(t.Context()); err != nil {
		t.Errorf("a contributor looks: %v", err)
	}
	for what, err := range map[string]error{
		"a mode":         second(c.SetRoleMode(t.Context(), "none")),
		"a repository":   c.SetRepositoryAnonymousPull(t.Context(), "absent", true),
		"an assignee":    c.Assign(t.Context(), admin.RoleAssignment{Assignee: "nobody", Role: authz.AcrPull}),
		"a role":         c.Assign(t.Context(), admin.RoleAssignment{Assignee: "admin", Role: "root"}),
		"the last owner": c.Unassign(t.Context(), admin.RoleAssignment{Assignee: "admin", Role: authz.Owner}),
	} {
		if e, ok := errors.AsType[*orlop.Error](err); !ok || e.HTTPStatus()/100 != 4 {
			t.Errorf("%s: %v", what, err)
		}
	}
	for path, body := range map[string]string{
		"access": `{}`, "admin-user": `{}`, "users/ann": `{"enabled":null}`, "service-principals/x": `{"enabled":"yes"}`, "tokens/x": `{"status":"on"}`,
		"scope-maps/x": `{"add":["pull"]}`, "access/repositories/x": `{"anonymousPullEnabled":1}`,
	} {
		if status, got := e.do("PATCH", admin.Prefix+path, basic("admin", e.password), body); status != 400 && status != 404 {
			t.Errorf("%s: %d %s", path, status, got)
		}
	}
}

func TestSecrets(t *testing.T) {
	e := newEnv(t)
	c := e.client("admin", e.password)
	made, err := c.CreateServicePrincipal(t.Context(), admin.NewServicePrincipal{Name: "ci", Roles: []string{"AcrPull"}})
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	added, err := c.ResetCredential(t.Context(), made.AppID, admin.NewSecret{DisplayName: "second", End: &end, Append: true})
	if err != nil || !e.signsIn(made.AppID, made.Password) || !e.signsIn(made.AppID, added.Password) {
		t.Fatal(err)
	}
	secrets, err := c.ServicePrincipalSecrets(t.Context(), made.AppID)
	if err != nil || len(secrets) != 2 || secrets[1].DisplayName != "second" || secrets[1].End != end.Format(time.RFC3339) || secrets[0].End != "" {
		t.Fatalf("%+v, %v", secrets, err)
	}
	if err := c.DeleteServicePrincipalSecret(t.Context(), made.AppID, secrets[0].KeyID); err != nil || e.signsIn(made.AppID, made.Password) || !e.signsIn(made.AppID, added.Password) {
		t.Errorf("after the first was deleted: %v", err)
	}
	if err := c.SetServicePrincipal(t.Context(), made.AppID, false); err != nil || e.signsIn(made.AppID, added.Password) {
		t.Errorf("disabled: %v", err)
	}
	for p, err := range c.ServicePrincipals(t.Context()) {
		if err != nil || p.Enabled {
			t.Errorf("%+v, %v", p, err)
		}
	}
	past := time.Now().Add(-time.Hour)
	for what, err := range map[string]error{
		"an end that has passed": second(c.ResetCredential(t.Context(), made.AppID, admin.NewSecret{End: &past})),
		"an absent secret":       c.DeleteServicePrincipalSecret(t.Context(), made.AppID, secrets[0].KeyID),
	} {
		if e, ok := errors.AsType[*orlop.Error](err); !ok || e.HTTPStatus()/100 != 4 {
			t.Errorf("%s: %v", what, err)
		}
	}
}
