package distapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

func TestTagsList(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	raw := c.manifest("a/b", nil)
	tags := []string{"1.0", "1.1", "Z", "_x", "a", "latest"}
	for _, tag := range tags {
		c.do("PUT", "/v2/a/b/manifests/"+tag, raw, "Content-Type", mediaTypeManifest).want(http.StatusCreated)
	}
	for query, want := range map[string][]string{
		"":                tags,
		"?n=100":          tags,
		"?n=2":            tags[:2],
		"?n=0":            {},
		"?last=1.1":       tags[2:],
		"?last=absent":    tags[5:],
		"?last=zzz":       {},
		"?n=1&last=1.0":   tags[1:2],
		"?n=&last=":       tags,
		"?n=999999999999": tags,
	} {
		res := c.do("GET", "/v2/a/b/tags/list"+query, nil)
		res.want(http.StatusOK)
		wantBody, _ := json.Marshal(map[string]any{"name": "a/b", "tags": want})
		if string(res.body) != string(wantBody) {
			t.Errorf("%s: %s, want %s", query, res.body, wantBody)
		}
	}
	c.do("GET", "/v2/none/tags/list", nil).wantCode(http.StatusNotFound, orlop.CodeNameUnknown)
	c.do("GET", "/v2/none/tags/list?n=0", nil).wantCode(http.StatusNotFound, orlop.CodeNameUnknown)

	var got []string
	path := "/v2/a/b/tags/list?n=4"
	for path != "" {
		res := c.do("GET", path, nil)
		var list struct{ Tags []string }
		if err := json.Unmarshal(res.body, &list); err != nil {
			t.Fatal(err)
		}
		got = append(got, list.Tags...)
		path = res.next()
	}
	if !slices.Equal(got, tags) {
		t.Errorf("page by page: %v", got)
	}
}

// TestListRefuses sends what made other registries allocate or fail (S2).
func TestListRefuses(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	c.push("a", nil)
	for _, path := range []string{"/v2/_catalog", "/v2/a/tags/list", "/v2/a/referrers/" + dgst} {
		for _, query := range []string{
			"n=-1", "n=abc", "n=1e12", "n=9223372036854775808", "n=1.0", "n=0x10", "n=%00", "last=%00", "last=%ff", "last=a%0Ab",
			"last=" + strings.Repeat("a", 100_000), "n=%zz", "n=1;last=x",
		} {
			res := c.do("GET", path+"?"+query, nil)
			if res.StatusCode != http.StatusBadRequest {
				t.Errorf("%s?%.30s: status %d", path, query, res.StatusCode)
			}
		}
		for _, query := range []string{"n=1000000000000", "n=9223372036854775807", "n=0"} {
			c.do("GET", path+"?"+query, nil).want(http.StatusOK)
		}
		for _, query := range []string{"last=%27%20OR%201=1--", "last=%25_", "last=a%22"} {
			if s := c.do("GET", path+"?"+query, nil).StatusCode; s != http.StatusOK && s != http.StatusBadRequest {
				t.Errorf("%s?%s: status %d", path, query, s)
			}
		}
	}
}

func TestCatalog(t *testing.T) {
	e := newEnv(t)
	admin := e.admin()
	if res := admin.do("GET", "/v2/_catalog", nil); string(res.body) != `{"repositories":null}` {
		t.Errorf("of nothing: %s", res.body)
	}
	for _, repo := range []string{"a", "b/one", "b/two", "c"} {
		admin.push(repo, content(10))
	}
	res := admin.do("GET", "/v2/_catalog?n=2", nil)
	if string(res.body) != `{"repositories":["a","b/one"]}` || res.next() != "/v2/_catalog?last=b%2Fone&n=2" {
		t.Errorf("first page: %s, next %s", res.body, res.next())
	}
	res = admin.do("GET", res.next(), nil)
	if string(res.body) != `{"repositories":["b/two","c"]}` || res.next() != "" {
		t.Errorf("second page: %s, next %s", res.body, res.next())
	}
	e.anonymous().do("GET", "/v2/_catalog", nil).want(http.StatusUnauthorized)
}

func TestReferrers(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	subject := c.manifest("a", nil)
	desc := &ocispec.Descriptor{MediaType: mediaTypeManifest, Digest: digestTyped(subject), Size: int64(len(subject))}
	path := "/v2/a/referrers/" + desc.Digest.String()

	res := c.do("GET", "/v2/none/referrers/"+dgst, nil)
	res.want(http.StatusOK)
	res.wantHeader("Content-Type", mediaTypeIndex)
	if want := `{"schemaVersion":2,"mediaType":"` + mediaTypeIndex + `","manifests":[]}`; string(res.body) != want {
		t.Errorf("of nothing: %s", res.body)
	}

	for i := range 5 { // before their subject
		raw := c.manifest("a", func(m *ocispec.Manifest) {
			m.Subject = desc
			m.ArtifactType = fmt.Sprintf("application/vnd.test.%d", i%2)
			m.Annotations = map[string]string{"i": fmt.Sprint(i), "quote": `"<&>` + "\n"}
		})
		res := c.do("PUT", "/v2/a/manifests/"+digestOf(raw), raw, "Content-Type", mediaTypeManifest)
		res.want(http.StatusCreated)
		res.wantHeader("OCI-Subject", desc.Digest.String())
	}
	c.do("PUT", "/v2/a/manifests/v1", subject, "Content-Type", mediaTypeManifest).want(http.StatusCreated)

	for query, want := range map[string]int{"": 5, "?artifactType=application/vnd.test.0": 3, "?artifactType=application%2Fvnd.test.1": 2, "?artifactType=none": 0} {
		for _, n := range []int{1, 2, 1000} {
			sep := "?"
			if query != "" {
				sep = "&"
			}
			seen := map[string]bool{}
			for next := path + query + sep + fmt.Sprintf("n=%d", n); next != ""; {
				res := c.do("GET", next, nil)
				res.want(http.StatusOK)
				res.wantHeader("Content-Type", mediaTypeIndex)
				filters := ""
				if query != "" {
					filters = "artifactType"
				}
				res.wantHeader("OCI-Filters-Applied", filters)
				var index ocispec.Index
				if err := json.Unmarshal(res.body, &index); err != nil || index.SchemaVersion != 2 || index.MediaType != mediaTypeIndex || len(index.Manifests) > n {
					t.Fatalf("%s: %v", res.body, err)
				}
				for _, m := range index.Manifests {
					seen[m.Digest.String()] = true
					if m.Annotations["quote"] != `"<&>`+"\n" || m.ArtifactType == "" || m.MediaType != mediaTypeManifest || m.Size == 0 {
						t.Errorf("%+v", m)
					}
				}
				next = res.next()
			}
			if len(seen) != want {
				t.Errorf("%s by %d: %d referrers, want %d", query, n, len(seen), want)
			}
		}
	}
}
