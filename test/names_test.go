package test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// withQuery adds a parameter to a location.
func withQuery(location, parameter string) string {
	if strings.Contains(location, "?") {
		return location + "&" + parameter
	}
	return location + "?" + parameter
}

// status is what to print of an answer that may be nil.
func status(ans *answer) any {
	if ans == nil {
		return "no answer"
	}
	return ans.status
}

// listTags lists all tags of a repository; none if there is no such repository.
func listTags(t *testing.T, client *api, repo string) []string {
	t.Helper()
	var tags []string
	for path := "/v2/" + repo + "/tags/list?n=1000"; path != ""; {
		ans, err := client.do(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ans.status == http.StatusNotFound {
			return nil
		}
		var page struct{ Tags []string }
		if err := json.Unmarshal(ans.body, &page); err != nil || ans.status != http.StatusOK {
			t.Fatalf("list tags: %d %s %v", ans.status, ans.body, err)
		}
		tags = append(tags, page.Tags...)
		path, _, _ = strings.Cut(strings.TrimPrefix(ans.header.Get("Link"), "<"), ">")
	}
	return tags
}
