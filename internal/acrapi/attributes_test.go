package acrapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
)

// TestAttributes switches each attribute of each thing off and on, as the
// answer and what is read afterwards show.
func TestAttributes(t *testing.T) {
	e := newEnv(t)
	d := e.push("a/b", "x")
	do := e.sender("Owner")
	for _, path := range []string{"/acr/v1/a%2Fb", "/acr/v1/a/b/_tags/x", "/acr/v1/a/b/_manifests/" + d.String()} {
		before, _ := do("GET", path, "", http.StatusOK)
		for _, name := range []string{"deleteEnabled", "writeEnabled", "readEnabled", "listEnabled"} {
			off, _ := do("PATCH", path, `{"`+name+`":false,"other":{"a":[1]}}`, http.StatusOK)
			want := strings.Replace(anyTime.ReplaceAllString(before, "T"), `"`+name+`":true`, `"`+name+`":false`, 1)
			if anyTime.ReplaceAllString(off, "T") != want {
				t.Errorf("%s without %s:\n got %s\nwant %s", path, name, off, want)
			}
			if got, _ := do("GET", path, "", http.StatusOK); got != off {
				t.Errorf("%s: PATCH answered\n%s, and GET then\n%s", path, off, got)
			}
			if lastUpdate(t, off) <= lastUpdate(t, before) {
				t.Errorf("%s: lastUpdateTime %s after %s", path, lastUpdate(t, off), lastUpdate(t, before))
			}
			do("PATCH", path, `{"`+name+`":true}`, http.StatusOK)
		}
		do("PATCH", path, `{"deleteEnabled":false,"writeEnabled":false,"readEnabled":false,"listEnabled":false}`, http.StatusOK)
		back, _ := do("PATCH", path, `{"deleteEnabled":true,"writeEnabled":true,"readEnabled":true,"listEnabled":true}`, http.StatusOK)
		if anyTime.ReplaceAllString(back, "T") != anyTime.ReplaceAllString(before, "T") {
			t.Errorf("%s: %s in the end", path, back)
		}
		for _, nothing := range []string{"", "{}", `{"quarantineState":"Passed"}`, `{"readEnabled":null}`} {
			if got, _ := do("PATCH", path, nothing, http.StatusOK); got != back {
				t.Errorf("%s: a PATCH of nothing (%s) gave %s, want %s", path, nothing, got, back)
			}
		}
		do("PATCH", path, `{"quarantineState":"Quarantined"}`, http.StatusMethodNotAllowed)
	}
}

// lastUpdate finds lastUpdateTime, whose text sorts by time.
func lastUpdate(t *testing.T, body string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, `"lastUpdateTime":"`)
	if !ok {
		t.Fatalf("no lastUpdateTime in %s", body)
	}
	return rest[:strings.IndexByte(rest, '"')]
}

// TestBadAttributes refuses bodies that are no attributes, and changes nothing.
func TestBadAttributes(t *testing.T) {
	e := newEnv(t)
	d := e.push("a", "x")
	do := e.sender("Owner")
	for _, path := range []string{"/acr/v1/a", "/acr/v1/a/_tags/x", "/acr/v1/a/_manifests/" + d.String()} {
		before, _ := do("GET", path, "", http.StatusOK)
		for body, status := range map[string]int{
			`{"readEnabled":"false"}`:                 http.StatusBadRequest,
			`{"deleteEnabled":false,"readEnabled":0}`: http.StatusBadRequest,
			`{"readEnabled":false`:                    http.StatusBadRequest,
			`{"readEnabled":false}{}`:                 http.StatusBadRequest,
			`[]`:                                      http.StatusBadRequest,
			`"x"`:                                     http.StatusBadRequest,
			`nonsense`:                                http.StatusBadRequest,
			`{"x":"` + strings.Repeat("y", maxBody) + `"}`:      http.StatusRequestEntityTooLarge,
			strings.Repeat(`{"x":`, 20_000/5) + `{"readEnabled`: http.StatusBadRequest,
		} {
			if answer, _ := do("PATCH", path, body, status); !strings.Contains(answer, `"errors":[{"code"`) {
				t.Errorf("%s: %s", path, answer)
			}
		}
		if got, _ := do("GET", path, "", http.StatusOK); got != before {
			t.Errorf("%s has changed: %s", path, got)
		}
	}
	reader := e.sender("AcrPush")
	reader("PATCH", "/acr/v1/a", `nonsense`, http.StatusForbidden) // asked before the body is read
}

// lockRow is one operation of this API, and the locks that are in its way.
type lockRow struct {
	kind   kind
	method string
	path   string
	body   string
	locks  string // "repo.write"
	status int    // if nothing is locked
}

var lockRows = []lockRow{
	{kindRepository, "DELETE", "R", "", "repo.write repo.delete tag.write tag.delete image.write image.delete", 202},
	{kindTag, "DELETE", "R/_tags/v1", "", "repo.write tag.write tag.delete", 202},
	{kindDeletedManifest, "POST", "_deleted/R/_manifests/D?force=true", `{"tag":"v1"}`, "repo.write tag.write", 200},
	{kindDeletedManifest, "POST", "_deleted/R/_manifests/D?force=true", `{"tag":"v2"}`, "repo.write", 200},
	{kindDeletedManifest, "POST", "_deleted/R/_manifests/D", "", "repo.write", 200},
	// Locks do not stop those who may change them.
	{kindRepository, "PATCH", "R", `{"readEnabled":true}`, "", 200},
	{kindTag, "PATCH", "R/_tags/v1", `{"readEnabled":true}`, "", 200},
	{kindManifest, "PATCH", "R/_manifests/IMAGE", `{"readEnabled":true}`, "", 200},
	// Nor those who look at what is known of something.
	{kindRepository, "GET", "R", "", "", 200},
	{kindTag, "GET", "R/_tags/v1", "", "", 200},
	{kindManifest, "GET", "R/_manifests/IMAGE", "", "", 200},
	{kindTags, "GET", "R/_tags", "", "", 200},
	{kindManifests, "GET", "R/_manifests", "", "", 200},
}

var (
	lockNames = map[meta.Locks]string{meta.NoWrite: "write", meta.NoDelete: "delete", meta.NoRead: "read", meta.NoList: "list"}
	lockables = []string{"repo", "tag", "image"}
)

// TestLocks sets each lock and tries each operation: it is refused if the lock
// is in its way, and goes through if not.
func TestLocks(t *testing.T) {
	e := newEnv(t)
	do := e.sender("Owner")
	n := 0
	for _, row := range lockRows {
		for _, what := range lockables {
			for l, name := range lockNames {
				n++
				repo := fmt.Sprintf("r%d", n)
				image, gone := e.push(repo, "v1"), e.push(repo, "gone")
				if err := e.reg.DeleteManifest(t.Context(), repo, gone); err != nil {
					t.Fatal(err)
				}
				e.lock(repo, what, l)
				status := row.status
				if slices.Contains(strings.Fields(row.locks), what+"."+name) {
					status = http.StatusMethodNotAllowed
				}
				path := strings.NewReplacer("R", repo, "D", gone.String(), "IMAGE", image.String()).Replace(row.path)
				body, _ := do(row.method, "/acr/v1/"+path, row.body, status)
				if status == http.StatusMethodNotAllowed && !strings.Contains(body, `"code":"`+orlop.CodeDisallowed+`","message":"The operation is disallowed on`) {
					t.Errorf("%s %s, locked %s.%s: %s", row.method, row.path, what, name, body)
				}
			}
		}
	}
}

// lock sets a lock on a repository, its tag v1 or what that names.
func (e *env) lock(repo, what string, l meta.Locks) {
	e.t.Helper()
	change := meta.LockChange{Set: l}
	var err error
	switch what {
	case "repo":
		_, err = e.reg.LockRepository(e.t.Context(), repo, change)
	case "tag":
		_, err = e.reg.LockTag(e.t.Context(), repo, "v1", change)
	default:
		var desc orlop.Descriptor
		if desc, err = e.reg.Resolve(e.t.Context(), repo, "v1"); err == nil {
			_, err = e.reg.LockManifest(e.t.Context(), repo, desc.Digest, change)
		}
	}
	if err != nil {
		e.t.Fatal(err)
	}
}

// TestEveryChangeHasARow wants a row for each operation that changes something.
func TestEveryChangeHasARow(t *testing.T) {
	for k, operations := range table {
		for method := range operations {
			has := slices.ContainsFunc(lockRows, func(r lockRow) bool { return r.kind == kind(k) && r.method == method })
			if method != "GET" && !has {
				t.Errorf("%s of kind %d has no row in the table of locks", method, k)
			}
		}
	}
}

// TestUnlisted hides what must not be listed from lists, and only from them.
func TestUnlisted(t *testing.T) {
	e := newEnv(t)
	d := e.push("a", "x", "v1")
	do := e.as("Owner")
	for what, list := range map[string]string{"repo": "/acr/v1/_catalog", "tag": "/acr/v1/a/_tags", "image": "/acr/v1/a/_manifests"} {
		for _, orderBy := range []string{"", "&orderby=timedesc", "&orderby=timeasc"} {
			shown := map[string]string{"repo": `"a"`, "tag": `"v1"`, "image": d.String()}[what]
			if body, _ := do("GET", list+"?n=9"+orderBy, http.StatusOK); !strings.Contains(body, shown) {
				t.Fatalf("%s before: %s", list, body)
			}
		}
	}
	for _, what := range lockables {
		e.lock("a", what, meta.NoList)
	}
	for path, want := range map[string]string{
		"/acr/v1/_catalog": `"repositories":null`, "/acr/v1/a/_tags": `"tags":[{"name":"x"`, "/acr/v1/a/_tags?orderby=timedesc": `"tags":[{"name":"x"`,
		"/acr/v1/a/_manifests": `"manifests":null`, "/acr/v1/a/_manifests?orderby=timeasc": `"manifests":null`,
		"/acr/v1/a": `"tagCount":2`, "/acr/v1/a/_tags/v1": `"listEnabled":false`,
		// Whoever deletes what has no tags must learn of those that are hidden.
		"/acr/v1/a/_manifests/" + d.String(): `"tags":["v1","x"]`,
	} {
		body, _ := do("GET", path, http.StatusOK)
		if !strings.Contains(body, want) || strings.Contains(path, "_tags?") && strings.Contains(body, "v1") {
			t.Errorf("%s: %s, want %s", path, body, want)
		}
	}
}

// TestIndexThatMustNotBeRead is shown without what it lists.
func TestIndexThatMustNotBeRead(t *testing.T) {
	e := newEnv(t)
	child := e.push("a", "x")
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":1}]}`, child)
	desc, err := e.reg.PushManifest(t.Context(), "a", "", raw, "v1")
	if err != nil {
		t.Fatal(err)
	}
	do := e.as("Owner")
	var answer struct {
		Manifest struct{ References []reference }
	}
	for _, want := range []int{1, 0} {
		body, _ := do("GET", "/acr/v1/a/_manifests/"+desc.Digest.String(), http.StatusOK)
		answer.Manifest.References = nil
		if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Manifest.References) != want {
			t.Errorf("%s, %v: want %d references", body, err, want)
		}
		e.lock("a", "repo", meta.NoRead)
	}
}
