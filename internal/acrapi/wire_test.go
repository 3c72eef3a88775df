package acrapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/gate"
	"github.com/orlop/orlop/internal/meta"
)

// TestShapes compares answers with the bytes that the clients of ACR were seen
// to read.
func TestShapes(t *testing.T) {
	made := time.Date(2021, 4, 5, 12, 11, 12, 123456700, time.FixedZone("", 2*60*60))
	img := image{Registry: "myregistry.azurecr.io", ImageName: "samples/artifact"}
	const times = `"createdTime":"2021-04-05T10:11:12.1234567Z","lastUpdateTime":"2021-04-05T10:11:12.1234567Z"`
	for want, v := range map[string]any{
		`{"repositories":null}`: catalog{},
		`{"registry":"myregistry.azurecr.io","imageName":"samples/artifact",` + times + `,"manifestCount":1,"tagCount":4,` +
			`"changeableAttributes":{"deleteEnabled":true,"writeEnabled":true,"readEnabled":true,"listEnabled":true,"teleportEnabled":false}}`: newRepository(img,
			&meta.RepositoryInfo{Name: "samples/artifact", Created: made, Updated: made, ManifestCount: 1, TagCount: 4}),
		`{"registry":"myregistry.azurecr.io","imageName":"samples/artifact","tags":null}`:      tagList{image: img},
		`{"registry":"myregistry.azurecr.io","imageName":"samples/artifact","manifests":null}`: manifestList{image: img},
		`{"registry":"myregistry.azurecr.io","imageName":"samples/artifact","tag":{"name":"1.0","digest":"` + dgst + `",` + times + `,"signed":false,` +
			`"changeableAttributes":{"deleteEnabled":false,"writeEnabled":false,"readEnabled":true,"listEnabled":true}}}`: oneTag{img, newTag(
			&meta.TagInfo{Name: "1.0", Digest: dgst, Created: made, Updated: made, Locks: meta.NoDelete | meta.NoWrite})},
		`{"registry":"myregistry.azurecr.io","imageName":"samples/artifact","manifest":{"digest":"` + dgst + `","imageSize":7,` + times +
			`,"mediaType":"a/b","tags":null,"changeableAttributes":{"deleteEnabled":true,"writeEnabled":true,"readEnabled":false,"listEnabled":false}}}`: oneManifest{img, newManifest(
			&meta.ManifestInfo{Digest: dgst, MediaType: "a/b", ImageSize: 7, Created: made, Updated: made, Locks: meta.NoRead | meta.NoList})},
		`{"manifestsDeleted":["` + dgst + `"],"tagsDeleted":null}`: deleted{Manifests: []digest.Digest{dgst}},
	} {
		got, err := json.Marshal(v)
		if err != nil || string(got) != want {
			t.Errorf("got  %s (%v)\nwant %s", got, err, want)
		}
	}
}

func TestParsePage(t *testing.T) {
	for query, want := range map[string]page{
		"":                              {Page: gate.Page{N: defaultPage}},
		"api-version=2021-07-01":        {Page: gate.Page{N: defaultPage}},
		"n=3&last=x&orderby=timedesc":   {Page: gate.Page{N: 3, Last: "x"}, orderBy: "timedesc", order: meta.NewestFirst},
		"n=&last=&orderby=":             {Page: gate.Page{N: defaultPage}},
		"orderby=none":                  {Page: gate.Page{N: defaultPage}, orderBy: "none"},
		"orderby=timeasc&n=0":           {orderBy: "timeasc", order: meta.OldestFirst},
		"n=9223372036854775807":         {Page: gate.Page{N: maxPage}},
		"last=samples%2Fartifact&n=100": {Page: gate.Page{N: 100, Last: "samples/artifact"}},
	} {
		got, err := parsePage(query)
		if err != nil || got.N != want.N || got.Last != want.Last || got.orderBy != want.orderBy || got.order != want.order {
			t.Errorf("%q: %+v, %v; want %+v", query, got, err, want)
		}
	}
	for _, query := range []string{
		"n=-1", "n=abc", "n=1e12", "n=9223372036854775808", "n=1.5", "last=%00", "last=%ff", "last=a%0ab",
		"last=" + strings.Repeat("a", 100_000), "orderby=name", "n=%", "orderby=timedesc;drop",
	} {
		if p, err := parsePage(query); err == nil {
			t.Errorf("%.40q: %+v", query, p)
		}
	}
}

// TestLink checks what the Azure CLI and SDK rely on: a relative URL, and "="
// in every item of the query.
func TestLink(t *testing.T) {
	p, err := parsePage("n=2&digest=" + dgst)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	p.setNext(h, "/acr/v1/a/b/_tags", "v1+2")
	want := `</acr/v1/a/b/_tags?last=v1%2B2&n=2&orderby=&digest=sha256%3A` + hex256 + `>; rel="next"`
	if got := h.Get("Link"); got != want {
		t.Errorf("Link: %s\nwant  %s", got, want)
	}
}
