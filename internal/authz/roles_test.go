package authz

import (
	"testing"

	"github.com/orlop/orlop/internal/meta"
)

// every access that a role can be about, for a repository r.
func accesses(r string) map[string]Access {
	return map[string]Access{
		"pull": Repository(r, Pull), "push": Repository(r, Push), "delete": Repository(r, Delete),
		"metadata_read": Repository(r, MetadataRead), "metadata_write": Repository(r, MetadataWrite),
		"deleted_read": Repository(r, DeletedRead), "deleted_restore": Repository(r, DeletedRestore),
		"catalog": Registry("catalog", List), "deleted_catalog": Registry("deleted_catalog", List),
		"manage": Registry("principals", Manage),
	}
}

func TestRoles(t *testing.T) {
	want := map[string][]string{
		AcrPull:     {"pull", "metadata_read", "catalog"},
		AcrPush:     {"pull", "push", "metadata_read", "catalog"},
		AcrDelete:   {"delete"},
		Reader:      {"pull", "metadata_read", "deleted_read", "catalog", "deleted_catalog"},
		Contributor: {"pull", "push", "delete", "metadata_read", "metadata_write", "deleted_read", "deleted_restore", "catalog", "deleted_catalog"},
		Owner:       {"pull", "push", "delete", "metadata_read", "metadata_write", "deleted_read", "deleted_restore", "catalog", "deleted_catalog", "manage"},
	}
	if len(want) != len(Roles()) {
		t.Errorf("the test knows %d roles, the table has %v", len(want), Roles())
	}
	for role, allowed := range want {
		for _, prefix := range []string{"", "samples/a", "samples/*"} {
			g := ForRoles([]meta.RoleAssignment{{Role: role, Prefix: prefix}})
			may := map[string]bool{}
			for _, a := range allowed {
				// The right to manage comes with the registry only.
				may[a] = a != "manage" || prefix == ""
			}
			for name, a := range accesses("samples/a") {
				if got := g.Allows(a); got != may[name] {
					t.Errorf("%s at %q: %s is %v", role, prefix, name, got)
				}
			}
			for name, a := range accesses("other/a") {
				if a.Type == TypeRepository && prefix != "" && g.Allows(a) {
					t.Errorf("%s at %q reaches other/a: %s", role, prefix, name)
				}
			}
		}
	}
}

func TestPrefix(t *testing.T) {
	g := ForRoles([]meta.RoleAssignment{{Role: AcrPull, Prefix: "samples/*"}, {Role: AcrPush, Prefix: "samples/mine"}, {Role: AcrDelete, Prefix: "tools"}})
	for _, c := range []struct {
		a    Access
		want bool
	}{
		{Repository("samples/a", Pull), true},
		{Repository("samples/a/b/c", Pull), true},
		{Repository("samples/a", Push), false},
		{Repository("samples/mine", Push), true},
		{Repository("samples/mine/x", Push), false},
		{Repository("samples", Pull), false},
		{Repository("samplesx/a", Pull), false},
		{Repository("my/samples/a", Pull), false},
		{Repository("tools", Delete), true},
		{Repository("tools", Pull), false},
		{Repository("samples/*", Push), false},
		{Repository("*", Pull), false},
		{Repository("", Pull), false},
		{Repository("samples/a", "fly"), false},
		{Access{"image", "samples/a", Pull}, false},
		{Registry("samples/a", Pull), false},
		{Registry("catalog", Pull), false},
	} {
		if got := g.Allows(c.a); got != c.want {
			t.Errorf("%+v is %v", c.a, got)
		}
	}
}

// TestSees has lists show what may be read, and no more.
func TestSees(t *testing.T) {
	g := ForRoles([]meta.RoleAssignment{{Role: AcrPull, Prefix: "samples/*"}, {Role: AcrDelete, Prefix: "tools"}})
	for repo, want := range map[string]bool{"samples/a": true, "tools": false, "other": false} {
		if g.Sees(repo) != want {
			t.Errorf("%s shows: %v", repo, !want)
		}
	}
	if g.SeesAll() || !ForRoles([]meta.RoleAssignment{{Role: Reader}}).SeesAll() {
		t.Error("SeesAll is wrong")
	}
}

func TestNothingGrantsNothing(t *testing.T) {
	for _, g := range []*Grants{nil, {}, ForRoles(nil), ForRoles([]meta.RoleAssignment{{Role: "root"}}), PullOnly(), ForScopes(nil)} {
		for name, a := range accesses("a") {
			if g.Allows(a) {
				t.Errorf("%s is granted", name)
			}
		}
		if g.Sees("a") || g.SeesAll() {
			t.Error("something shows")
		}
	}
}

func TestCheckAssignment(t *testing.T) {
	for _, c := range []struct {
		role, prefix string
		ok           bool
	}{
		{AcrPull, "", true}, {AcrPull, "a", true}, {AcrPull, "a/b/*", true},
		{"acrpull", "", false}, {"", "", false},
		{AcrPull, "*", false}, {AcrPull, "/*", false}, {AcrPull, "a*", false}, {AcrPull, "a/*/b", false},
		{AcrPull, "A", false}, {AcrPull, "a b", false}, {AcrPull, "/a", false}, {AcrPull, "a//b", false}, {AcrPull, "../a", false},
	} {
		if err := CheckAssignment(meta.RoleAssignment{Role: c.role, Prefix: c.prefix}); (err == nil) != c.ok {
			t.Errorf("%s at %q: %v", c.role, c.prefix, err)
		}
	}
}

func BenchmarkAllows(b *testing.B) {
	g := ForRoles([]meta.RoleAssignment{{Role: AcrPull, Prefix: "samples/*"}, {Role: AcrPush, Prefix: "tools/x"}})
	a := Repository("samples/team/artifact", Pull)
	b.ReportAllocs()
	for b.Loop() {
		if !g.Allows(a) {
			b.Fatal("denied")
		}
	}
}

func TestAllowsDoesNotAllocate(t *testing.T) {
	g := ForRoles([]meta.RoleAssignment{{Role: AcrPull, Prefix: "samples/*"}, {Role: AcrPush, Prefix: "tools/x"}})
	if n := testing.AllocsPerRun(100, func() { g.Allows(Repository("samples/team/artifact", Push)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
