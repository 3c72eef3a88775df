package authz

import (
	"slices"
	"strings"
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
		"sign": Repository(r, Sign), "quarantine_read": Repository(r, QuarantineRead), "quarantine_write": Repository(r, QuarantineWrite),
		"principals": Registry("principals", Manage), "tokens": Registry("tokens", Manage),
		"settings": Registry("settings", Manage), "view": Registry("settings", View),
	}
}

// onRegistry are the accesses that an assignment at a repository does not give.
var onRegistry = []string{"principals", "tokens", "settings", "view"}

func TestRoles(t *testing.T) {
	const all = "pull push delete metadata_read metadata_write deleted_read deleted_restore"
	const management = " principals tokens settings view"
	for role, want := range map[string]struct{ classic, repository string }{
		AcrPull:             {classic: "pull metadata_read catalog"},
		AcrPush:             {classic: "pull push metadata_read catalog"},
		AcrDelete:           {classic: "delete"},
		AcrImageSigner:      {"sign", "sign"},
		AcrQuarantineReader: {"quarantine_read", "quarantine_read"},
		AcrQuarantineWriter: {"quarantine_read quarantine_write", "quarantine_read quarantine_write"},
		Reader:              {"pull metadata_read deleted_read quarantine_read catalog deleted_catalog view", "view"},
		Contributor: {all + " sign quarantine_read quarantine_write catalog deleted_catalog tokens settings view",
			"settings view"},
		Owner: {all + " sign quarantine_read quarantine_write catalog deleted_catalog" + management, management},

		RepositoryReader:        {repository: "pull metadata_read"},
		RepositoryWriter:        {repository: "pull push metadata_read metadata_write"},
		RepositoryContributor:   {repository: all},
		RepositoryCatalogLister: {repository: "catalog"},
	} {
		checkRole(t, role, false, want.classic)
		checkRole(t, role, true, want.repository)
	}
	if len(Roles()) != 13 {
		t.Errorf("the test knows 13 roles, the table has %v", Roles())
	}
}

func checkRole(t *testing.T, role string, repositoryRoles bool, allowed string) {
	t.Helper()
	for _, prefix := range []string{"", "samples/a", "samples/*"} {
		g := ForRoles([]meta.RoleAssignment{{Role: role, Prefix: prefix}}, repositoryRoles)
		may := map[string]bool{}
		for _, a := range strings.Fields(allowed) {
			may[a] = prefix == "" || !slices.Contains(onRegistry, a)
		}
		for name, a := range accesses("samples/a") {
			if got := g.Allows(a); got != may[name] {
				t.Errorf("%s at %q, repository roles %v: %s is %v", role, prefix, repositoryRoles, name, got)
			}
		}
		for name, a := range accesses("other/a") {
			if a.Type == TypeRepository && prefix != "" && g.Allows(a) {
				t.Errorf("%s at %q reaches other/a: %s", role, prefix, name)
			}
		}
		if g.Empty() != (len(may) == 0 || prefix != "" && !slices.ContainsFunc(strings.Fields(allowed), func(a string) bool { return may[a] })) {
			t.Errorf("%s at %q, repository roles %v: empty is %v", role, prefix, repositoryRoles, g.Empty())
		}
	}
}

func TestPrefix(t *testing.T) {
	g := ForRoles([]meta.RoleAssignment{{Role: AcrPull, Prefix: "samples/*"}, {Role: AcrPush, Prefix: "samples/mine"}, {Role: AcrDelete, Prefix: "tools"}}, false)
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
	g := ForRoles([]meta.RoleAssignment{{Role: AcrPull, Prefix: "samples/*"}, {Role: AcrDelete, Prefix: "tools"}}, false)
	for repo, want := range map[string]bool{"samples/a": true, "tools": false, "other": false} {
		if g.Sees(repo) != want {
			t.Errorf("%s shows: %v", repo, !want)
		}
	}
	if g.SeesAll() || !ForRoles([]meta.RoleAssignment{{Role: Reader}}, false).SeesAll() {
		t.Error("SeesAll is wrong")
	}
}

func TestNothingGrantsNothing(t *testing.T) {
	for _, g := range []*Grants{nil, {}, ForRoles(nil, false), ForRoles([]meta.RoleAssignment{{Role: "root"}}, false), PullOnly(), ForScopes(nil)} {
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
	g := ForRoles([]meta.RoleAssignment{{Role: AcrPull, Prefix: "samples/*"}, {Role: AcrPush, Prefix: "tools/x"}}, false)
	a := Repository("samples/team/artifact", Pull)
	b.ReportAllocs()
	for b.Loop() {
		if !g.Allows(a) {
			b.Fatal("denied")
		}
	}
}

func TestAllowsDoesNotAllocate(t *testing.T) {
	g := ForRoles([]meta.RoleAssignment{{Role: AcrPull, Prefix: "samples/*"}, {Role: AcrPush, Prefix: "tools/x"}}, false)
	if n := testing.AllocsPerRun(100, func() { g.Allows(Repository("samples/team/artifact", Push)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
