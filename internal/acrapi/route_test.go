package acrapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/ref"
)

const (
	hex256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	dgst   = "sha256:" + hex256
)

func TestParseRoute(t *testing.T) {
	for path, want := range map[string]route{
		"/acr/v1/_catalog":                            {kind: kindCatalog},
		"/acr/v1/a":                                   {kind: kindRepository, repo: "a"},
		"/acr/v1/a/b/c":                               {kind: kindRepository, repo: "a/b/c"},
		"/acr/v1/a%2Fb":                               {kind: kindRepository, repo: "a/b"},
		"/acr/v1/tags/manifests":                      {kind: kindRepository, repo: "tags/manifests"},
		"/acr/v1/a/b/_tags":                           {kind: kindTags, repo: "a/b"},
		"/acr/v1/a%2Fb/_tags/1.0":                     {kind: kindTag, repo: "a/b", tag: "1.0"},
		"/acr/v1/a/_tags/_x":                          {kind: kindTag, repo: "a", tag: "_x"},
		"/acr/v1/a/b/_manifests":                      {kind: kindManifests, repo: "a/b"},
		"/acr/v1/a%2Fb/_manifests/sha256%3A" + hex256: {kind: kindManifest, repo: "a/b", digest: dgst},
		"/acr/v1/a/_manifests/" + dgst:                {kind: kindManifest, repo: "a", digest: dgst},
		"/acr/v1/_deleted/_catalog":                   {kind: kindDeletedCatalog},
		"/acr/v1/_deleted/a%2Fb/_tags":                {kind: kindDeletedTags, repo: "a/b"},
		"/acr/v1/_deleted/a/b/_manifests":             {kind: kindDeletedManifests, repo: "a/b"},
		"/acr/v1/_deleted/a/_manifests/" + dgst:       {kind: kindDeletedManifest, repo: "a", digest: dgst},
	} {
		got, err := parseRoute(path)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", path, got, err, want)
		}
	}
}

func TestParseRouteRefuses(t *testing.T) {
	for path, status := range map[string]int{
		"/acr/v1/":                                http.StatusBadRequest,
		"/acr/v1/A":                               http.StatusBadRequest,
		"/acr/v1/..":                              http.StatusBadRequest,
		"/acr/v1/a/../b":                          http.StatusBadRequest,
		"/acr/v1/a%2F..%2Fb/_tags":                http.StatusBadRequest,
		"/acr/v1/a%00/_tags":                      http.StatusBadRequest,
		"/acr/v1/a/":                              http.StatusBadRequest,
		"/acr/v1//_tags":                          http.StatusBadRequest,
		"/acr/v1/%":                               http.StatusBadRequest,
		"/acr/v1/" + strings.Repeat("a", 256):     http.StatusBadRequest,
		"/acr/v1/a/_tags/":                        http.StatusBadRequest,
		"/acr/v1/a/_tags/.x":                      http.StatusBadRequest,
		"/acr/v1/a/_tags/x%2Fy":                   http.StatusBadRequest,
		"/acr/v1/a/_tags/%00":                     http.StatusBadRequest,
		"/acr/v1/a/_manifests/sha256:x":           http.StatusBadRequest,
		"/acr/v1/a/_manifests/md5:" + hex256[:32]: http.StatusBadRequest,
		"/acr/v1/a/_manifests/1.0":                http.StatusNotFound, // a tag is no manifest here
		"/acr/v1":                                 http.StatusNotFound,
		"/acr/v1/_catalog/":                       http.StatusNotFound,
		"/acr/v1/_deleted":                        http.StatusNotFound,
		"/acr/v1/_deleted/":                       http.StatusBadRequest,
		"/acr/v1/_deleted/a":                      http.StatusNotFound,
		"/acr/v1/_deleted/_deleted/a/_tags":       http.StatusNotFound,
		"/acr/v1/_deleted/a/_tags/x":              http.StatusNotFound,
		"/acr/v1/_deleted/a/_manifests/1.0":       http.StatusNotFound,
		"/acr/v1/_deleted/A/_tags":                http.StatusBadRequest,
		"/acr/v1/_metadata/_query":                http.StatusNotFound,
		"/acr/v1/a/_metadata":                     http.StatusNotFound,
		"/acr/v2/a":                               http.StatusNotFound,
		"/acr/v1/a/_tags/x/y":                     http.StatusBadRequest,
	} {
		rt, err := parseRoute(path)
		if e, ok := errors.AsType[*orlop.Error](err); !ok || e.HTTPStatus() != status {
			t.Errorf("%s: %+v, %v; want an error with status %d", path, rt, err, status)
		}
	}
}

// TestNeeds compares the rights of every operation with those that clients of
// ACR ask tokens for.
func TestNeeds(t *testing.T) {
	want := map[string]authz.Access{
		"GET 0": authz.Registry("catalog", authz.List), "GET 6": authz.Registry("deleted_catalog", authz.List),
		"GET 1": onRepository(authz.MetadataRead), "PATCH 1": onRepository(authz.MetadataWrite), "DELETE 1": onRepository(authz.Delete),
		"GET 2": onRepository(authz.MetadataRead), "GET 4": onRepository(authz.MetadataRead),
		"GET 3": onRepository(authz.MetadataRead), "PATCH 3": onRepository(authz.MetadataWrite), "DELETE 3": onRepository(authz.Delete),
		"GET 5": onRepository(authz.MetadataRead), "PATCH 5": onRepository(authz.MetadataWrite),
		"GET 7": onRepository(authz.DeletedRead), "GET 8": onRepository(authz.DeletedRead), "POST 9": onRepository(authz.DeletedRestore),
	}
	for kind, operations := range table {
		for method, op := range operations {
			key := fmt.Sprintf("%s %d", method, kind)
			if op.needs != want[key] {
				t.Errorf("%s needs %v, want %v", key, op.needs, want[key])
			}
			delete(want, key)
		}
	}
	if len(want) > 0 {
		t.Errorf("no operations %v", want)
	}
}

func FuzzParseRoute(f *testing.F) {
	for _, s := range []string{
		"/acr/v1/_catalog", "/acr/v1/a%2Fb/_tags/1.0", "/acr/v1/a/_manifests/sha256%3A" + hex256, "/acr/v1/..", "/acr/v1/%00", "/acr/v1/a/_x",
		"/acr/v1/_deleted/_catalog", "/acr/v1/_deleted/a/_manifests/" + dgst,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		rt, err := parseRoute(path)
		if err != nil {
			if e, ok := errors.AsType[*orlop.Error](err); !ok || e.HTTPStatus() >= 500 {
				t.Fatalf("%q: %v is not an error for the client", path, err)
			}
			return
		}
		if rt.kind != kindCatalog && rt.kind != kindDeletedCatalog && ref.ValidateRepository(rt.repo) != nil {
			t.Fatalf("%q: repository %q", path, rt.repo)
		}
		if rt.kind == kindTag && ref.ValidateTag(rt.tag) != nil {
			t.Fatalf("%q: tag %q", path, rt.tag)
		}
		if _, err := ref.ValidateDigest(rt.digest.String()); (rt.kind == kindManifest || rt.kind == kindDeletedManifest) && err != nil {
			t.Fatalf("%q: digest %q", path, rt.digest)
		}
	})
}
