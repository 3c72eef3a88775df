package azuresdk

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// purger sends what "acr purge" of Azure/acr-cli sends; the program itself is
// not to be had from the module proxy. It signs in with Basic before it is asked
// to, or with a token for "repository:*:*", escapes names and digests, reads by
// pages, newest first, and goes on where it gets 404 or 405.
type purger struct {
	t    *testing.T
	auth string
}

func (p *purger) do(method, path string) (status int, header http.Header, body []byte) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, endpoint+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", p.auth)
	req.Header.Set("Accept", "*/*, application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json")
	resp, err := transport.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body
}

// list reads the pages of a list whose elements have a name under key.
func (p *purger) list(path, list, key string) (names []string) {
	p.t.Helper()
	for path != "" {
		status, header, raw := p.do(http.MethodGet, path)
		var body map[string]json.RawMessage
		var items []map[string]any
		if err := json.Unmarshal(raw, &body); status != http.StatusOK || err != nil || body[list] == nil {
			p.t.Fatalf("%s: %d %s", path, status, raw)
		}
		if err := json.Unmarshal(body[list], &items); err != nil {
			p.t.Fatal(err)
		}
		for _, item := range items {
			names = append(names, item[key].(string))
		}
		// The text between < and > is appended to the server.
		_, next, _ := strings.Cut(header.Get("Link"), "<")
		path, _, _ = strings.Cut(next, ">")
	}
	return names
}

func TestPurge(t *testing.T) {
	a := newApplication(t, "Contributor")
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth(a.AppID, a.Password)
	for name, auth := range map[string]string{"basic": basic.Header.Get("Authorization"), "token": "Bearer " + wideToken(t, a)} {
		t.Run(name, func(t *testing.T) { purge(t, a, auth, "purge/by-"+name) })
	}
}

// wideToken gets a token as acr-cli does.
func wideToken(t *testing.T, a application) string {
	t.Helper()
	form := url.Values{
		"grant_type": {"password"}, "service": {service(t)}, "scope": {"registry:catalog:* repository:*:*"}, "username": {a.AppID}, "password": {a.Password},
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/oauth2/token", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp := must(transport.Do(req))(t)
	defer resp.Body.Close()
	var body struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || body.AccessToken == "" {
		t.Fatalf("%s, %v", resp.Status, err)
	}
	return body.AccessToken
}

// purge removes all tags but the newest two, of which one that is locked stays
// too, and then what has no tag.
func purge(t *testing.T, a application, auth, repo string) {
	p := &purger{t, auth}
	c := a.client(t)
	config := upload(t, a.blobs(t), repo, []byte("{}"))
	for n := range 130 {
		push(t, c, repo, fmt.Sprintf("v%03d", n), artifact(config, n))
	}
	lock(t, c, repo, "v005")

	escaped := url.PathEscape(repo)
	status, _, raw := p.do(http.MethodGet, "/v2/_catalog?n=100&last=purg")
	if status != http.StatusOK || !strings.Contains(string(raw), repo) {
		t.Fatalf("%d %s", status, raw)
	}
	tags := p.list("/acr/v1/"+escaped+"/_tags?n=100&last=&orderby=timedesc&digest=", "tags", "name")
	if len(tags) != 130 || tags[0] != "v005" || tags[1] != "v129" { // locking is a change
		t.Fatalf("%d tags: %v", len(tags), tags)
	}
	for _, tag := range append(tags[:1:1], tags[3:]...) {
		want := http.StatusAccepted
		if tag == "v005" {
			want = http.StatusMethodNotAllowed
		}
		if got, _, raw := p.do(http.MethodDelete, "/acr/v1/"+escaped+"/_tags/"+tag); got != want {
			t.Errorf("%s: %d %s", tag, got, raw)
		}
	}
	kept := p.list("/acr/v1/"+escaped+"/_tags?n=100&orderby=timeasc", "tags", "digest")
	for _, digest := range p.list("/acr/v1/"+escaped+"/_manifests?n=100&orderby=", "manifests", "digest") {
		if slices.Contains(kept, digest) {
			continue
		}
		path := "/v2/" + escaped + "/manifests/" + url.QueryEscape(digest)
		if status, _, raw := p.do(http.MethodGet, path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, raw)
		}
		for i, want := range []int{http.StatusAccepted, http.StatusNotFound} {
			if got, _, raw := p.do(http.MethodDelete, path); got != want {
				t.Errorf("%s, time %d: %d %s", path, i+1, got, raw)
			}
		}
	}
	if left := p.list("/acr/v1/"+escaped+"/_manifests?n=100", "manifests", "digest"); len(left) != 3 {
		t.Errorf("%d manifests are left", len(left))
	}
}
