package acrapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// TestRestore deletes in each way and restores in each way.
func TestRestore(t *testing.T) {
	e := newEnv(t)
	do := e.sender("Owner")
	for i, remove := range []func(repo string, d digest.Digest) error{
		func(repo string, d digest.Digest) error { return e.reg.DeleteManifest(t.Context(), repo, d) },
		func(repo string, _ digest.Digest) error {
			_, err := e.reg.DeleteRepository(t.Context(), repo)
			return err
		},
	} {
		repo := fmt.Sprintf("a/b%d", i)
		d := e.push(repo, "x", "y")
		at := "/acr/v1/_deleted/" + strings.Replace(repo, "/", "%2F", 1)
		before, _ := do("GET", "/acr/v1/"+repo+"/_manifests/"+d.String(), "", http.StatusOK)
		if err := remove(repo, d); err != nil {
			t.Fatal(err)
		}
		do("GET", "/acr/v1/"+repo+"/_manifests/"+d.String(), "", http.StatusNotFound)
		if body, _ := do("GET", "/acr/v1/_deleted/_catalog?n=100", "", http.StatusOK); !strings.Contains(body, `"`+repo+`"`) {
			t.Errorf("catalog: %s", body)
		}
		manifests, _ := do("GET", at+"/_manifests?n=100", "", http.StatusOK)
		if !strings.Contains(manifests, `"digest":"`+d.String()+`"`) || !strings.Contains(manifests, `"deletedAt":"`) {
			t.Errorf("manifests: %s", manifests)
		}
		tags, _ := do("GET", at+"/_tags?n=100", "", http.StatusOK)
		if want := fmt.Sprintf(`"tags":[{"tag":"x","digest":%q,"deletedAt":"T","expiresAfter":"T"},{"tag":"y","digest":%q,"deletedAt":"T","expiresAfter":"T"}]}`, d, d); !strings.HasSuffix(anyTime.ReplaceAllString(tags, "T"), want) {
			t.Errorf("tags: %s, want %s", tags, want)
		}
		do("POST", at+"/_manifests/"+d.String()+"?force=False", `{"tag":"x"}`, http.StatusOK)
		after, _ := do("POST", at+"/_manifests/"+d.String()+"?force=True", `{"tag":"y"}`, http.StatusOK)
		if createdTime(before) != createdTime(after) || !strings.Contains(after, `"tags":["x","y"]`) {
			t.Errorf("before %s, after %s", before, after)
		}
		for _, path := range []string{at + "/_manifests", at + "/_tags"} {
			if body, _ := do("GET", path, "", http.StatusOK); !strings.Contains(body, `":null}`) {
				t.Errorf("%s after all is restored: %s", path, body)
			}
		}
		if _, err := e.reg.StatBlob(t.Context(), repo, digest.FromString("{}")); err != nil {
			t.Errorf("its blob: %v", err)
		}
	}
	if body, _ := do("GET", "/acr/v1/_deleted/_catalog", "", http.StatusOK); strings.TrimSpace(body) != `{"repositories":null}` {
		t.Errorf("catalog: %s", body)
	}
}

func createdTime(body string) string {
	_, rest, _ := strings.Cut(body, `"createdTime":"`)
	created, _, _ := strings.Cut(rest, `"`)
	return created
}

// TestRestoreTag restores tags that were removed alone, and refuses to move one
// unless it is forced to.
func TestRestoreTag(t *testing.T) {
	e := newEnv(t)
	do := e.sender("Owner")
	old := e.push("a", "x")
	do("DELETE", "/acr/v1/a/_tags/x", "", http.StatusAccepted)
	restore := "/acr/v1/_deleted/a/_manifests/" + old.String()
	do("POST", restore, `{"tag":"x"}`, http.StatusOK)
	do("POST", restore, `{"tag":"x"}`, http.StatusOK) // once more changes nothing
	do("DELETE", "/acr/v1/a/_tags/x", "", http.StatusAccepted)
	moved := e.push("a", "x", "other")
	if body, _ := do("POST", restore, `{"tag":"x"}`, http.StatusConflict); !strings.Contains(body, "force") {
		t.Errorf("conflict: %s", body)
	}
	if body, _ := do("GET", "/acr/v1/a/_tags/x", "", http.StatusOK); !strings.Contains(body, moved.String()) {
		t.Errorf("the tag has moved: %s", body)
	}
	if body, _ := do("GET", "/acr/v1/_deleted/a/_tags", "", http.StatusOK); !strings.Contains(body, old.String()) {
		t.Errorf("the deleted tag is gone: %s", body)
	}
	do("POST", restore+"?force=true", `{"tag":"x"}`, http.StatusOK)
	if body, _ := do("GET", "/acr/v1/a/_tags/x", "", http.StatusOK); !strings.Contains(body, old.String()) {
		t.Errorf("by force: %s", body)
	}
}

// TestRestoreRefuses names what cannot be restored.
func TestRestoreRefuses(t *testing.T) {
	e := newEnv(t)
	do := e.sender("Owner")
	d := e.push("a", "x")
	if err := e.reg.DeleteManifest(t.Context(), "a", d); err != nil {
		t.Fatal(err)
	}
	for call, status := range map[string]int{
		"b/_manifests/" + d.String() + " {}":                http.StatusNotFound, // deleted elsewhere
		"a/_manifests/" + dgst + " {}":                      http.StatusNotFound,
		"a/_manifests/" + d.String() + "?force=maybe {}":    http.StatusBadRequest,
		"a/_manifests/" + d.String() + ` {"tag":1}`:         http.StatusBadRequest,
		"a/_manifests/" + d.String() + ` {"tag":"../x"}`:    http.StatusBadRequest,
		"a/_manifests/" + d.String() + ` nonsense`:          http.StatusBadRequest,
		"a/_manifests/" + d.String() + `?force=true {"tag"`: http.StatusBadRequest,
	} {
		path, body, _ := strings.Cut(call, " ")
		do("POST", "/acr/v1/_deleted/"+path, body, status)
	}
	do("GET", "/acr/v1/b", "", http.StatusNotFound)
	for path, status := range map[string]int{
		"a/_tags?last=x": http.StatusBadRequest, "a/_manifests?last=x": http.StatusBadRequest, "absent/_tags": http.StatusOK, "absent/_manifests": http.StatusOK,
	} {
		do("GET", "/acr/v1/_deleted/"+path, "", status)
	}
	for role, status := range map[string]int{"AcrPush": http.StatusForbidden, "AcrDelete": http.StatusForbidden, "Reader": http.StatusForbidden} {
		e.sender(role)("POST", "/acr/v1/_deleted/a/_manifests/"+d.String(), `{}`, status)
	}
	e.sender("Reader")("GET", "/acr/v1/_deleted/a/_manifests", "", http.StatusOK)
}

// TestDeletedIsNoWayAroundLocks wants what comes back, by restoring or by
// pushing again, to be as locked as it was.
func TestDeletedIsNoWayAroundLocks(t *testing.T) {
	e := newEnv(t)
	do := e.sender("Owner")
	for i, back := range []func(repo string, d digest.Digest){
		func(repo string, d digest.Digest) {
			do("POST", "/acr/v1/_deleted/"+repo+"/_manifests/"+d.String(), `{"tag":"v1"}`, http.StatusOK)
		},
		func(repo string, _ digest.Digest) { e.push(repo, "v1") },
	} {
		for _, what := range lockables {
			for _, all := range []bool{true, false} {
				repo := fmt.Sprintf("r%d-%s-%v", i, what, all)
				d := e.push(repo, "v1")
				e.lock(repo, what, meta.NoRead|meta.NoList)
				var err error
				if all {
					_, err = e.reg.DeleteRepository(t.Context(), repo)
				} else {
					err = e.reg.DeleteManifest(t.Context(), repo, d)
				}
				if err != nil {
					t.Fatal(err)
				}
				back(repo, d)
				if i == 1 && what == "tag" {
					continue // a tag that is pushed is a new one
				}
				if _, err := e.reg.Manifest(t.Context(), repo, "v1"); !errors.Is(err, orlop.ErrDisallowed) {
					t.Errorf("%s can be read: %v", repo, err)
				}
			}
		}
	}
}

// TestDeletedPages pages through what was deleted.
func TestDeletedPages(t *testing.T) {
	e := newEnv(t)
	do := e.as("Owner")
	for i := range 5 {
		d := e.push("a", fmt.Sprintf("t%d", i))
		e.push(fmt.Sprintf("r%d", i), "x")
		if err := e.reg.DeleteManifest(t.Context(), "a", d); err != nil {
			t.Fatal(err)
		}
		if _, err := e.reg.DeleteRepository(t.Context(), fmt.Sprintf("r%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]int{
		"/acr/v1/_deleted/_catalog?n=2": 6, "/acr/v1/_deleted/_catalog?n=1": 6, "/acr/v1/_deleted/_catalog?n=0": 0,
		"/acr/v1/_deleted/a/_tags?n=2": 5, "/acr/v1/_deleted/a/_manifests?n=2": 5, "/acr/v1/_deleted/a/_tags?n=0": 0,
	} {
		n := 0
		for next := path; next != ""; {
			body, h := do("GET", next, http.StatusOK)
			var list struct{ Repositories, Tags, Manifests []any }
			if err := json.Unmarshal([]byte(body), &list); err != nil {
				t.Fatal(err)
			}
			n += len(list.Repositories) + len(list.Tags) + len(list.Manifests)
			next, _ = strings.CutSuffix(strings.TrimPrefix(h.Get("Link"), "<"), `>; rel="next"`)
			if next == path {
				t.Fatalf("%s goes on with itself", path)
			}
		}
		if n != want {
			t.Errorf("%s: %d, want %d", path, n, want)
		}
	}
}

// TestExpired wants what was deleted too long ago to be gone, before anything
// has swept it and after.
func TestExpired(t *testing.T) {
	var later atomic.Int64
	e := newEnvOn(t, sqlmeta.Options{KeepDeleted: time.Hour, Now: func() time.Time { return time.Unix(1800000000, later.Load()) }})
	do := e.sender("Owner")
	d := e.push("a", "x")
	e.lock("a", "repo", meta.NoList)
	if _, err := e.reg.DeleteRepository(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	later.Store(int64(time.Hour - time.Microsecond))
	if body, _ := do("GET", "/acr/v1/_deleted/_catalog", "", http.StatusOK); !strings.Contains(body, `"a"`) {
		t.Errorf("before its time: %s", body)
	}
	later.Store(int64(time.Hour))
	for range 2 {
		for _, path := range []string{"_catalog", "a/_tags", "a/_manifests"} {
			if body, _ := do("GET", "/acr/v1/_deleted/"+path, "", http.StatusOK); !strings.Contains(body, `":null}`) {
				t.Errorf("%s: %s", path, body)
			}
		}
		do("POST", "/acr/v1/_deleted/a/_manifests/"+d.String(), "{}", http.StatusNotFound)
		if _, err := e.gc.Cycle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	e.push("a", "x")
	if body, _ := do("GET", "/acr/v1/_catalog", "", http.StatusOK); !strings.Contains(body, `"a"`) {
		t.Errorf("what is over has left its locks: %s", body)
	}
}

// TestKeepNothing deletes for good where nothing is to be kept.
func TestKeepNothing(t *testing.T) {
	e := newEnvOn(t, sqlmeta.Options{})
	do := e.sender("Owner")
	d := e.push("a", "x")
	do("DELETE", "/acr/v1/a", "", http.StatusAccepted)
	do("POST", "/acr/v1/_deleted/a/_manifests/"+d.String(), "{}", http.StatusNotFound)
	if body, _ := do("GET", "/acr/v1/_deleted/_catalog", "", http.StatusOK); !strings.Contains(body, "null") {
		t.Errorf("kept: %s", body)
	}
}
