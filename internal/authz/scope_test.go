package authz

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orlop/orlop/internal/meta"
)

func written(scopes []Scope) string {
	var out []string
	for _, s := range scopes {
		out = append(out, s.String())
	}
	return strings.Join(out, " ")
}

func TestParseScopes(t *testing.T) {
	long := strings.Repeat("a", 256)
	for _, c := range []struct {
		in   []string
		want string
	}{
		{[]string{"repository:a/b:pull"}, "repository:a/b:pull"},
		{[]string{"repository:a:push,pull,push"}, "repository:a:push,pull"},
		{[]string{"repository:a:pull repository:b:push", "registry:catalog:*"}, "repository:a:pull repository:b:push registry:catalog:*"},
		{[]string{"registry:catalog:* repository:*:*"}, "registry:catalog:* repository:*:*"},
		{[]string{"repository:samples/*:pull"}, "repository:samples/*:pull"},
		{[]string{"repository:a:metadataRead,metadataWrite"}, "repository:a:metadata_read,metadata_write"},
		{[]string{"repository:a:pull,fly"}, "repository:a:pull"},
		{[]string{"registry:None:*"}, ""},
		{[]string{"artifact-repository:repo:pull"}, ""},
		{[]string{"repository(plugin):a:pull"}, ""},
		{[]string{"", " ", ":", "::", ":::", "repository", "repository:a", "repository::pull", "repository:a:"}, ""},
		{[]string{"repository:A:pull", "repository:../a:pull", "repository:a b:pull", "repository:a*:pull", "repository:" + long + ":pull"}, ""},
		{[]string{"repository:localhost:5000/a:pull"}, ""},
		{[]string{"registry:principals:manage"}, "registry:principals:manage"},
		{[]string{"registry:catalog:pull", "registry:principals:*"}, ""},
	} {
		if got := written(ParseScopes(c.in...)); got != c.want {
			t.Errorf("%q gives %q, want %q", c.in, got, c.want)
		}
	}
}

func TestParseScopesIsBounded(t *testing.T) {
	if n := len(ParseScopes(strings.Repeat("repository:a:pull ", 10000))); n != maxScopes {
		t.Errorf("%d scopes are taken", n)
	}
}

func TestRestrict(t *testing.T) {
	everything := ParseScopes("repository:*:* repository:samples/*:* repository:samples/a:* repository:other:pull,push registry:catalog:* registry:principals:manage")
	for _, c := range []struct {
		roles []meta.RoleAssignment
		want  string
	}{
		{nil, ""},
		{[]meta.RoleAssignment{{Role: AcrPull}},
			"repository:*:pull,metadata_read repository:samples/*:pull,metadata_read repository:samples/a:pull,metadata_read repository:other:pull registry:catalog:*"},
		{[]meta.RoleAssignment{{Role: AcrPush, Prefix: "samples/*"}},
			"repository:samples/*:pull,push,metadata_read repository:samples/a:pull,push,metadata_read registry:catalog:*"},
		{[]meta.RoleAssignment{{Role: AcrDelete, Prefix: "samples/a"}}, "repository:samples/a:delete"},
		{[]meta.RoleAssignment{{Role: Owner, Prefix: "samples/b"}}, "registry:catalog:*"},
	} {
		if diff := cmp.Diff(c.want, written(ForRoles(c.roles, false).Restrict(everything))); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.roles, diff)
		}
	}
}

// TestRestrictTwice has a token for one repository get no token for all.
func TestRestrictTwice(t *testing.T) {
	parent := ForScopes(ParseScopes("repository:a:pull repository:b/*:pull"))
	for scope, want := range map[string]string{
		"repository:*:pull":        "",
		"repository:b/*:pull,push": "repository:b/*:pull",
		"repository:b/c/*:pull":    "repository:b/c/*:pull",
		"repository:a/*:pull":      "",
		"repository:a:*":           "repository:a:pull",
		"registry:catalog:*":       "",
	} {
		if got := written(parent.Restrict(ParseScopes(scope))); got != want {
			t.Errorf("%s gives %q, want %q", scope, got, want)
		}
	}
}

func TestScopesFor(t *testing.T) {
	for _, c := range []struct {
		want  string
		asked []Access
	}{
		{"", nil},
		{"repository:a:pull", []Access{Repository("a", Pull)}},
		{"repository:a:pull,push", []Access{Repository("a", Push)}},
		{"repository:a:delete", []Access{Repository("a", Delete)}},
		{"registry:catalog:*", []Access{Registry("catalog", List)}},
		{"repository:a:pull,push repository:b:pull", []Access{Repository("a", Push), Repository("b", Pull), Repository("a", Pull)}},
	} {
		if got := written(ScopesFor(c.asked)); got != c.want {
			t.Errorf("%v gives %q, want %q", c.asked, got, c.want)
		}
	}
}

func FuzzParseScope(f *testing.F) {
	for _, s := range []string{"repository:a/b:pull,push", "registry:catalog:*", "repository:*:*", "repository:a:b:pull", "::,", "repository:a/*:pull", "\x00:\xff:*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		scope, ok := ParseScope(s)
		if !ok {
			return
		}
		again, ok := ParseScope(scope.String())
		if !ok || !cmp.Equal(scope, again) {
			t.Errorf("%q is read as %+v, and that as %+v", s, scope, again)
		}
		if strings.ContainsAny(scope.String(), " \"\\\r\n\x00") {
			t.Errorf("%q cannot stand in a header", scope)
		}
		// A scope grants what it says, to nobody who had nothing.
		if got := (&Grants{}).Restrict([]Scope{scope}); got != nil {
			t.Errorf("%q grants %v out of nothing", s, got)
		}
		if len(ForScopes([]Scope{scope}).Restrict([]Scope{scope})) != 1 {
			t.Errorf("%q does not grant itself", s)
		}
	})
}
