package acrapi

import "strings"

// patterns are the paths of the kinds of routes.
var patterns = [len(table)]string{
	kindCatalog:          "/acr/v1/_catalog",
	kindRepository:       "/acr/v1/{name}",
	kindTags:             "/acr/v1/{name}/_tags",
	kindTag:              "/acr/v1/{name}/_tags/{tag}",
	kindManifests:        "/acr/v1/{name}/_manifests",
	kindManifest:         "/acr/v1/{name}/_manifests/{digest}",
	kindDeletedCatalog:   "/acr/v1/_deleted/_catalog",
	kindDeletedTags:      "/acr/v1/_deleted/{name}/_tags",
	kindDeletedManifests: "/acr/v1/_deleted/{name}/_manifests",
	kindDeletedManifest:  "/acr/v1/_deleted/{name}/_manifests/{digest}",
}

// Routes lists every route and method of the API as "METHOD pattern", from the
// table that requests are served by.
func Routes() []string {
	var out []string
	for k := range table {
		for method := range strings.SplitSeq(allow(kind(k)), ", ") {
			out = append(out, method+" "+patterns[k])
		}
	}
	return out
}
