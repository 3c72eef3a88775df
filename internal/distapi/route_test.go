package distapi

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/ref"
)

const (
	hex256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	dgst   = "sha256:" + hex256
)

var dgst512 = digest.SHA512.FromString("")

func TestParseRoute(t *testing.T) {
	for path, want := range map[string]route{
		"/v2/":                                {kind: kindPing},
		"/v2":                                 {kind: kindPing},
		"/v2/_catalog":                        {kind: kindCatalog},
		"/v2/a/tags/list":                     {kind: kindTags, repo: "a"},
		"/v2/a/b/c/tags/list":                 {kind: kindTags, repo: "a/b/c"},
		"/v2/a%2Fb/tags/list":                 {kind: kindTags, repo: "a/b"},
		"/v2/a%2fb/c/tags/list":               {kind: kindTags, repo: "a/b/c"},
		"/v2/a/manifests/1.0":                 {kind: kindManifest, repo: "a", tag: "1.0"},
		"/v2/a/manifests/" + dgst:             {kind: kindManifest, repo: "a", digest: dgst},
		"/v2/a/manifests/sha256%3A" + hex256:  {kind: kindManifest, repo: "a", digest: dgst},
		"/v2/a/manifests/" + dgst512.String(): {kind: kindManifest, repo: "a", digest: dgst512},
		"/v2/a%2Fb/blobs/sha256%3a" + hex256:  {kind: kindBlob, repo: "a/b", digest: dgst},
		"/v2/a/referrers/" + dgst:             {kind: kindReferrers, repo: "a", digest: dgst},
		"/v2/a/blobs/uploads/":                {kind: kindUploads, repo: "a"},
		"/v2/a/blobs/uploads":                 {kind: kindUploads, repo: "a"},
		"/v2/a%2Fb/blobs/uploads/":            {kind: kindUploads, repo: "a/b"},
		"/v2/a/blobs/uploads/u-1_X":           {kind: kindUpload, repo: "a", upload: "u-1_X"},
		"/v2/a/blobs/uploads/u&digest=x":      {kind: kindUpload, repo: "a", upload: "u", query: "digest=x&"},

		"/v2/a%2Fb/_orlop/blobs/read": {kind: kindReadBlobs, repo: "a/b"},
		"/v2/a/b/_orlop/blobs/write":  {kind: kindWriteBlobs, repo: "a/b"},

		// Repositories named like the words of the API.
		"/v2/tags/tags/list":                       {kind: kindTags, repo: "tags"},
		"/v2/blobs/uploads/manifests/manifests/v1": {kind: kindManifest, repo: "blobs/uploads/manifests", tag: "v1"},
		"/v2/manifests/blobs/" + dgst:              {kind: kindBlob, repo: "manifests", digest: dgst},
		"/v2/blobs/blobs/uploads/":                 {kind: kindUploads, repo: "blobs"},
		"/v2/a/blobs/uploads/tags/list":            {kind: kindTags, repo: "a/blobs/uploads"},
		"/v2/a/blobs/manifests/uploads":            {kind: kindManifest, repo: "a/blobs", tag: "uploads"},
	} {
		got, err := parseRoute(path, "")
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", path, got, err, want)
		}
	}
}

// hostileNames are names of repositories that must never get anywhere
// (faults-and-threats: S19), as they stand in a path.
var hostileNames = []string{
	"..", ".", "../..", "a/..", "a/../b", "../a", "a/./b", "...", "a//b", "/a", "a/",
	"%2e%2e", "%2E%2E%2Fa", "a%2F..%2Fb", "..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "a%2F%2Fb", "a%2F",
	"%252e%252e", "..%5C..%5Cwindows", "a%5Cb", "a\\b", "%00", "a%00b", "a%0ab", "a%0d%0aX: y", "%ff%fe", "%c0%ae%c0%ae",
	"A", "aB", "a_", "_a", "-a", "a-", "a.", ".a", "a..b", "a___b", "a:b", "a@b", "a b", "a%20b", "a*", "~a",
	"_catalog", "%F0%9F%92%A9", strings.Repeat("a", 256), strings.Repeat("a/", 128) + "a",
}

func TestParseRouteRefusesNames(t *testing.T) {
	for _, name := range hostileNames {
		for _, rest := range []string{
			"/tags/list", "/manifests/v1", "/manifests/" + dgst, "/blobs/" + dgst,
			"/blobs/uploads/", "/blobs/uploads/u", "/referrers/" + dgst,
		} {
			rt, err := parseRoute("/v2/"+name+rest, "")
			requireStatus(t, "/v2/"+name+rest, err, http.StatusBadRequest)
			if err == nil {
				t.Errorf("got %+v", rt)
			}
		}
	}
}

// hostileDigests are digests that must not be accepted (S18).
var hostileDigests = []string{
	"sha256:", "sha256:x", ":" + hex256, "sha256:" + hex256[1:], "sha256:" + hex256 + "0",
	"sha256:" + strings.ToUpper(hex256), "SHA256:" + hex256, "md5:d41d8cd98f00b204e9800998ecf8427e",
	"sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", "sha384:" + strings.Repeat("0", 96), "sha512:" + hex256,
	"sha256+b64:" + hex256, "sha256:" + hex256[:62] + "..", "sha256:..%2F..%2F" + hex256[10:], "sha256::" + hex256[1:],
	"sha256:%00" + hex256[1:], "sha256:" + hex256[:63] + "%0a", "sha256:" + hex256[:63] + "g", "sha256:%ff" + hex256[1:],
	"multihash+base58:Qm", "blake3:" + hex256, "sha256%3A", "sha256%253A" + hex256, "sha256:" + strings.Repeat("a", 5000), "tarsum.v1+sha256:" + hex256,
}

func TestParseRouteRefusesDigests(t *testing.T) {
	for _, d := range hostileDigests {
		for _, prefix := range []string{"/v2/a/blobs/", "/v2/a/manifests/", "/v2/a/referrers/"} {
			_, err := parseRoute(prefix+d, "")
			requireStatus(t, prefix+d, err, http.StatusBadRequest)
		}
	}
}

func TestParseRouteRefusesTagsAndUploads(t *testing.T) {
	for _, path := range []string{
		"/v2/a/manifests/", "/v2/a/manifests/.x", "/v2/a/manifests/-x", "/v2/a/manifests/..", "/v2/a/manifests/%2e%2e",
		"/v2/a/manifests/a%2Fb", "/v2/a/manifests/..%2f..%2fetc", "/v2/a/manifests/a%00", "/v2/a/manifests/a%0a",
		"/v2/a/manifests/a b", "/v2/a/manifests/" + strings.Repeat("a", 129), "/v2/a/manifests/%ff", "/v2/a/manifests/%",
		"/v2/a/blobs/uploads/..", "/v2/a/blobs/uploads/%2e%2e", "/v2/a/blobs/uploads/a%2Fb", "/v2/a/blobs/uploads/a%00",
		"/v2/a/blobs/uploads/" + strings.Repeat("a", 129), "/v2/a/blobs/uploads/&digest=x",
	} {
		_, err := parseRoute(path, "")
		requireStatus(t, path, err, http.StatusBadRequest)
	}
}

func TestParseRouteUnknown(t *testing.T) {
	for _, path := range []string{
		"", "/", "/v1/", "/v2x", "/v22/a", "/v2/a", "/v2/a/b", "/v2/a/tags", "/v2/a/tags/", "/v2/a/tags/list/", "/v2/_catalog/",
		"/v2/a/blob/" + dgst, "/v2/a/uploads/x", "/v2/a/manifest/v1", "/v2/a/manifests/v1/", "/v2/a/blobs/uploads/a/b", "/v2//", "/v2/%2F",
	} {
		rt, err := parseRoute(path, "")
		requireStatus(t, path, err, http.StatusNotFound)
		if err == nil {
			t.Errorf("got %+v", rt)
		}
	}
}

// TestParseRouteAllocations keeps the parser off the heap for what is asked
// most.
func TestParseRouteAllocations(t *testing.T) {
	for _, path := range []string{"/v2/samples/artifact/manifests/1.0", "/v2/samples/artifact/blobs/" + dgst} {
		if n := testing.AllocsPerRun(100, func() { _, _ = parseRoute(path, "") }); n > 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

// requireStatus checks that an error is one for the client.
func requireStatus(t *testing.T, what string, err error, status int) {
	t.Helper()
	e, ok := errors.AsType[*orlop.Error](err)
	if !ok || e.HTTPStatus() != status {
		t.Errorf("%s: error %v, want one with status %d", what, err, status)
	}
}

func FuzzParseRoute(f *testing.F) {
	for _, name := range hostileNames {
		f.Add("/v2/" + name + "/manifests/v1")
		f.Add("/v2/" + name + "/blobs/uploads/x&digest=" + dgst)
	}
	for _, d := range hostileDigests {
		f.Add("/v2/a/blobs/" + d)
	}
	f.Add("/v2/a%2Fb/referrers/sha256%3A" + hex256)
	f.Fuzz(func(t *testing.T, path string) {
		rt, err := parseRoute(path, "")
		if err != nil {
			e, ok := errors.AsType[*orlop.Error](err)
			if !ok || e.HTTPStatus() >= 500 {
				t.Fatalf("%q: %v is not an error for the client", path, err)
			}
			return
		}
		if rt.kind > kindCatalog && ref.ValidateRepository(rt.repo) != nil {
			t.Fatalf("%q: repository %q", path, rt.repo)
		}
		if rt.tag != "" && ref.ValidateTag(rt.tag) != nil {
			t.Fatalf("%q: tag %q", path, rt.tag)
		}
		if _, err := ref.ValidateDigest(rt.digest.String()); rt.digest != "" && err != nil {
			t.Fatalf("%q: digest %q", path, rt.digest)
		}
		if rt.kind == kindManifest && rt.reference() == "" || rt.kind == kindUpload && !isUploadID(rt.upload) {
			t.Fatalf("%q: %+v", path, rt)
		}
	})
}

func BenchmarkParseRoute(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = parseRoute("/v2/samples/artifact/blobs/"+dgst, "")
	}
}
