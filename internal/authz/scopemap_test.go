package authz

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScopeMap(t *testing.T) {
	const all = "repository:samples/a:pull,push,delete,metadata_read,metadata_write"
	for _, c := range []struct {
		name    string
		actions []string
		want    string // of all that could be asked for samples/a
	}{
		{"m", nil, ""},
		{"m", []string{"repositories/samples/a/content/read"}, "repository:samples/a:pull"},
		{"m", []string{"repositories/samples/*/content/read", "repositories/samples/a/content/delete"}, "repository:samples/a:pull,delete"},
		{"m", []string{"repositories/other/content/read", "repositories/samples/content/write"}, ""},
		{"m", []string{"repositories/samples/a/metadata/write", "repositories/*/metadata/read"}, "repository:samples/a:metadata_read,metadata_write"},
		{"m", []string{"repositories/sam*/content/read", "repositories/*/x/content/read", "samples/a/content/read", "repositories/samples/a/content/*"}, ""},
		{"_repositories_admin", []string{"ignored"}, all},
		{"_repositories_pull", nil, "repository:samples/a:pull"},
		{"_repositories_push", nil, "repository:samples/a:pull,push"},
		{"_repositories_pull_metadata_read", nil, "repository:samples/a:pull,metadata_read"},
		{"_repositories_push_metadata_write", nil, "repository:samples/a:pull,push,metadata_read,metadata_write"},
		{"_no_such", []string{"repositories/*/content/read"}, ""},
	} {
		g := ForScopeMap(c.name, c.actions)
		if diff := cmp.Diff(c.want, written(g.Restrict(ParseScopes("repository:samples/a:* registry:catalog:* registry:tokens:manage")))); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", c.name, c.actions, diff)
		}
	}
}

func TestCheckScopeMapAction(t *testing.T) {
	for _, a := range []string{"repositories/a/content/read", "repositories/a/b/*/metadata/write", "repositories/*/content/delete"} {
		if err := CheckScopeMapAction(a); err != nil {
			t.Error(err)
		}
	}
	for _, a := range []string{"", "repositories//content/read", "repositories/content/read", "repositories/A/content/read",
		"repositories/a*/content/read", "repositories/a/content", "repositories/a/content/read ", "repositories/../content/read",
		"repositories/a/content/execute", "registries/a/content/read"} {
		if err := CheckScopeMapAction(a); err == nil || !strings.Contains(err.Error(), "repositories/NAME/RIGHT") {
			t.Errorf("%q: %v", a, err)
		}
	}
}

func FuzzScopeMapAction(f *testing.F) {
	for _, s := range []string{"repositories/a/content/read", "repositories/*/metadata/write", "repositories//content/read"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, action string) {
		g := ForScopeMap("m", []string{action})
		if g.registry != none {
			t.Errorf("%q gives rights on the registry", action)
		}
		if (CheckScopeMapAction(action) == nil) == g.Empty() {
			t.Errorf("%q is taken by one and not by the other", action)
		}
	})
}
