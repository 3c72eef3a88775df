// Package importtest holds the rules of who may import whom, as a test.
package importtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/orlop/orlop"

// listed is a package as "go list" tells it.
type listed struct {
	ImportPath string
	Imports    []string // direct, without those of tests
	Deps       []string // direct and indirect
	Standard   bool
}

// rule says what packages may not import. A pattern is an import path, or one
// with "/..." for everything under it; a path that starts with "/" is in this
// module.
type rule struct {
	why      string
	packages []string
	except   []string // packages that the rule is not for
	deny     []string
	allow    []string // exceptions from deny
	indirect bool     // counts what is imported by what is imported, too
}

const standard = "std" // matches the standard library

var public = []string{"/", "/ref/...", "/remote/...", "/layout/...", "/memory/...", "/registrytest/...", "/internal/smallblobs", "/internal/workers"}

var serverParts = []string{
	"/internal/server/...", "/internal/daemon/...", "/internal/config/...", "/internal/tlsauto/...",
	"/internal/distapi/...", "/internal/acrapi/...", "/internal/tokenapi/...", "/internal/adminapi/...", "/internal/armapi/...", "/internal/gate/...", "/internal/hosting/...",
	"/internal/registry/...", "/internal/authn/...", "/internal/authz/...", "/internal/meta/...", "/internal/blob/...", "/internal/migrate/...",
	"/internal/federation/...", "/internal/gc/...", "/internal/control/...", "/internal/metrics/...",
}

var rules = []rule{
	{
		why:      "the public library needs the standard library, the OCI types and x/sync only",
		packages: public,
		deny:     []string{"..."},
		allow:    append([]string{standard, "github.com/opencontainers/image-spec/...", "github.com/opencontainers/go-digest/...", "golang.org/x/sync/..."}, public...),
	},
	{
		why:      "who installs the client gets no server",
		packages: []string{"/cmd/orlop", "/internal/cli/...", "/internal/admin/...", "/internal/files/...", "/internal/credential/...", "/internal/registries/...", "/internal/state/...", "/internal/cache/...", "/internal/filelock"},
		deny:     append([]string{"modernc.org/...", "database/sql/...", "github.com/pressly/goose/...", "github.com/go-jose/...", "github.com/aws/...", "github.com/Azure/...", "github.com/jackc/..."}, serverParts...),
		allow:    []string{"database/sql/driver"}, // interfaces alone, which types of the functions of templates implement
		indirect: true,
	},
	{
		why:      "the server needs nothing of the client",
		packages: append([]string{"/cmd/orlopd"}, serverParts...),
		deny:     []string{"/internal/cli/...", "/internal/files/...", "/internal/credential/...", "/internal/registries/...", "/internal/state/...", "/internal/cache/...", "/internal/filelock"},
		indirect: true,
	},
	{
		why:      "HTTP packages know no SQL and no stores",
		packages: []string{"/internal/distapi", "/internal/acrapi", "/internal/tokenapi", "/internal/adminapi", "/internal/armapi", "/internal/gate"},
		deny:     []string{"database/sql/...", "/internal/meta/sqlmeta/...", "/internal/blob/..."},
	},
	{
		why:      "HTTP packages do not import each other; what they share is in gate",
		packages: []string{"/internal/distapi", "/internal/acrapi", "/internal/tokenapi", "/internal/adminapi", "/internal/armapi", "/internal/gate"},
		deny:     []string{"/internal/distapi/...", "/internal/acrapi/...", "/internal/tokenapi/...", "/internal/adminapi/...", "/internal/armapi/..."},
	},
	{
		why:      "the engine and identity know no HTTP",
		packages: []string{"/internal/registry/...", "/internal/gc/...", "/internal/migrate/...", "/internal/authn/...", "/internal/authz/...", "/internal/hosting/...", "/internal/meta/...", "/internal/blob/..."},
		except:   []string{"/internal/blob/s3", "/internal/blob/azblob"}, // clients of services that speak it
		deny:     []string{"net/http/..."},
	},
	{
		why:      "only the server names concrete blob stores",
		packages: []string{"..."},
		except:   []string{"/internal/server", "/internal/blob/..."},
		deny:     []string{"/internal/blob/fs", "/internal/blob/mem", "/internal/blob/faultfs", "/internal/blob/s3", "/internal/blob/azblob"},
	},
	{
		why:      "test support stays out of the programs",
		packages: []string{"/cmd/..."},
		deny:     []string{"testing", "/internal/testenv/...", "/registrytest/..."},
		indirect: true,
	},
}

func TestImports(t *testing.T) {
	packages := list(t)
	for _, r := range rules {
		checked := 0
		for _, p := range packages {
			if p.Standard || !matchAny(r.packages, p) || matchAny(r.except, p) {
				continue
			}
			checked++
			for _, imp := range r.violations(packages, p) {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, r.why)
			}
		}
		if checked == 0 {
			t.Errorf("the rule is for no package: %s", r.why)
		}
	}
}

func (r *rule) violations(packages map[string]listed, p listed) []string {
	imports := p.Imports
	if r.indirect {
		imports = p.Deps
	}
	var bad []string
	for _, path := range imports {
		imp, known := packages[path]
		if !known {
			continue // "C" and the like
		}
		if path != p.ImportPath && matchAny(r.deny, imp) && !matchAny(r.allow, imp) {
			bad = append(bad, path)
		}
	}
	return bad
}

func matchAny(patterns []string, p listed) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, p) })
}

func match(pattern string, p listed) bool {
	switch {
	case pattern == standard:
		return p.Standard
	case pattern == "...":
		return !p.Standard
	case strings.HasPrefix(pattern, "/"):
		pattern = strings.TrimSuffix(module+pattern, "/")
	}
	if under, ok := strings.CutSuffix(pattern, "/..."); ok {
		return p.ImportPath == under || strings.HasPrefix(p.ImportPath, under+"/")
	}
	return p.ImportPath == pattern
}

// list returns all packages of the module and what they import, by path.
func list(t *testing.T) map[string]listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,Deps,Standard", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	packages := map[string]listed{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages
		case err != nil:
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
}

// TestMatch holds the rules' patterns to what they say.
func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"/", module, true}, {"/", module + "/ref", false},
		{"/ref/...", module + "/ref", true}, {"/ref/...", module + "/ref/x", true}, {"/ref/...", module + "/reference", false},
		{"/cmd/orlop", module + "/cmd/orlopd", false}, {"...", "example.com/x", true},
		{"net/http/...", "net/http", true}, {"net/http/...", "net/http/httptest", true}, {"net/http/...", "net", false},
	} {
		if got := match(c.pattern, listed{ImportPath: c.path}); got != c.want {
			t.Errorf("match(%q, %q) = %v", c.pattern, c.path, got)
		}
	}
}
