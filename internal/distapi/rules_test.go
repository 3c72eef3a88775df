package distapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/smallblobs"
)

// TestEveryRouteHasARule asks every method of every kind of route for a
// repository that is there and for one that is not, as those who may see
// neither: the answers are alike, and no. A new route without a path here fails.
func TestEveryRouteHasARule(t *testing.T) {
	e := newEnv(t)
	admin := e.admin()
	raw := admin.manifest("secret", nil)
	admin.do("PUT", "/v2/secret/manifests/v1", raw, "Content-Type", mediaTypeManifest).want(http.StatusCreated)
	d, upload := digestOf(raw), strings.TrimPrefix(admin.start("secret"), "/v2/secret")
	paths := [...]string{
		kindPing: "", kindCatalog: "", kindTags: "/tags/list", kindManifest: "/manifests/v1", kindBlob: "/blobs/" + d,
		kindUploads: "/blobs/uploads/", kindUpload: upload, kindReferrers: "/referrers/" + d,
		kindReadBlobs: smallblobs.ReadPath, kindWriteBlobs: smallblobs.WritePath,
	}
	if len(paths) != len(table) {
		t.Fatal("a kind of route has no path in this test")
	}
	bob := e.user("bob", "Contributor", "bob/*")
	for kind := range table {
		for _, method := range methods[:6] {
			if table[kind].handler(method) == nil {
				continue
			}
			for c, want := range map[*client]int{
				e.anonymous(): http.StatusUnauthorized, bob: http.StatusForbidden,
				bob.withToken("repository:bob/a:*", "repository:secret:*"): http.StatusUnauthorized,
			} {
				checkRefused(t, c, method, paths[kind], want)
			}
		}
	}
	e.anonymous().do("GET", "/v2/", nil).want(http.StatusUnauthorized)
	e.anonymous().do("GET", "/v2/_catalog", nil).want(http.StatusUnauthorized)
	bob.withToken("repository:bob/a:pull").do("GET", "/v2/_catalog", nil).want(http.StatusUnauthorized)
	admin.do("GET", "/v2/secret/manifests/v1", nil).want(http.StatusOK) // nobody has touched it
}

// checkRefused asks for a path of two repositories; "" is not of a repository.
func checkRefused(t *testing.T, c *client, method, path string, want int) {
	t.Helper()
	if path == "" {
		return
	}
	there, absent := c.do(method, "/v2/secret"+path, nil), c.do(method, "/v2/absent"+path, nil)
	if there.StatusCode != want || absent.StatusCode != want {
		t.Errorf("%s: %s %s: %d if it is there, %d if not, want %d", c.name, method, path, there.StatusCode, absent.StatusCode, want)
	}
	same := strings.ReplaceAll(string(there.body), "secret", "absent") == string(absent.body) &&
		strings.ReplaceAll(there.Header.Get("Www-Authenticate"), "secret", "absent") == absent.Header.Get("Www-Authenticate")
	if !same {
		t.Errorf("%s: %s %s: the answers differ:\n%v %s\n%v %s", c.name, method, path, there.Header, there.body, absent.Header, absent.body)
	}
}
