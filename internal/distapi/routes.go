package distapi

import "strings"

// patterns are the paths of the kinds of routes.
var patterns = [len(table)]string{
	kindPing:       "/v2/",
	kindCatalog:    "/v2/_catalog",
	kindTags:       "/v2/{name}/tags/list",
	kindManifest:   "/v2/{name}/manifests/{reference}",
	kindBlob:       "/v2/{name}/blobs/{digest}",
	kindUploads:    "/v2/{name}/blobs/uploads/",
	kindUpload:     "/v2/{name}/blobs/uploads/{id}",
	kindReferrers:  "/v2/{name}/referrers/{digest}",
	kindReadBlobs:  "/v2/{name}/_orlop/blobs/read",
	kindWriteBlobs: "/v2/{name}/_orlop/blobs/write",
}

// Routes lists every route and method of the API as "METHOD pattern", from the
// table that requests are served by.
func Routes() []string {
	var out []string
	for k := range table {
		for method := range strings.SplitSeq(table[k].allow(), ", ") {
			out = append(out, method+" "+patterns[k])
		}
	}
	return out
}
