package distapi

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// raw sends a request line as it stands, without what a client would do to the
// path, and returns the status.
func (c *client) raw(method, target string) int {
	c.e.t.Helper()
	conn := c.e.dial()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n", method, target)
	if c.auth != "" {
		fmt.Fprintf(conn, "Authorization: %s\r\n", c.auth)
	}
	fmt.Fprint(conn, "\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		c.e.t.Fatalf("%s %s: %v", method, target, err)
	}
	res.Body.Close()
	return res.StatusCode
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"}

// TestHostileNames puts names on the wire that are none, with every method
// (S19).
func TestHostileNames(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	for _, name := range hostileNames {
		for _, rest := range []string{"/tags/list", "/manifests/v1", "/blobs/" + dgst, "/blobs/uploads/", "/blobs/uploads/x", "/referrers/" + dgst} {
			for _, method := range methods[:6] {
				if s := c.raw(method, "/v2/"+name+rest); s < 400 || s >= 500 {
					t.Errorf("%s /v2/%.60s%s: status %d", method, name, rest, s)
				}
			}
		}
	}
}

// TestHostileDigests does the same with digests (S18).
func TestHostileDigests(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	location := c.start("a")
	for _, d := range hostileDigests {
		for _, target := range []string{
			"GET /v2/a/blobs/%s", "HEAD /v2/a/blobs/%s", "DELETE /v2/a/blobs/%s",
			"GET /v2/a/manifests/%s", "PUT /v2/a/manifests/%s", "DELETE /v2/a/manifests/%s",
			"GET /v2/a/referrers/%s", "POST /v2/a/blobs/uploads/?digest=%s", "POST /v2/a/blobs/uploads/?mount=%s&from=b",
			"PUT " + location + "?digest=%s",
		} {
			method, path, _ := strings.Cut(strings.Replace(target, "%s", d, 1), " ")
			if s := c.raw(method, path); s < 400 || s >= 500 {
				t.Errorf("%s %.90s: status %d", method, path, s)
			}
		}
	}
}

// TestMethods wants 405 with Allow for what a path does not do.
func TestMethods(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	for path, allow := range map[string]string{
		"/v2/":                    "GET, HEAD",
		"/v2/_catalog":            "GET, HEAD",
		"/v2/a/tags/list":         "GET, HEAD",
		"/v2/a/manifests/v1":      "GET, HEAD, PUT, DELETE",
		"/v2/a/blobs/" + dgst:     "GET, HEAD, DELETE",
		"/v2/a/blobs/uploads/":    "POST",
		"/v2/a/blobs/uploads/x":   "GET, HEAD, PUT, PATCH, DELETE",
		"/v2/a/referrers/" + dgst: "GET, HEAD",
	} {
		for _, method := range methods {
			if strings.Contains(allow, method) {
				continue
			}
			res := c.do(method, path, nil)
			if res.want(http.StatusMethodNotAllowed); res.Header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow: %s", method, path, res.Header.Get("Allow"))
			}
			if method != "HEAD" {
				res.wantCode(http.StatusMethodNotAllowed, orlop.CodeUnsupported)
			}
		}
	}
	c.do("GET", "/v2/a/nothing", nil).wantCode(http.StatusNotFound, orlop.CodeUnsupported)
}

func TestPing(t *testing.T) {
	e := newEnv(t)
	res := e.anonymous().do("GET", "/v2/", nil)
	res.wantCode(http.StatusUnauthorized, orlop.CodeUnauthorized)
	if !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer realm=") {
		t.Errorf("WWW-Authenticate: %s", res.Header.Get("WWW-Authenticate"))
	}
	for _, path := range []string{"/v2/", "/v2"} {
		res = e.admin().do("GET", path, nil)
		if res.want(http.StatusOK); string(res.body) != "{}" {
			t.Errorf("body %s", res.body)
		}
	}
}

// TestNoOracle compares what is answered about a repository that is there and
// one that is not, to those who may not see either (S5).
func TestNoOracle(t *testing.T) {
	e := newEnv(t)
	admin := e.admin()
	raw := admin.manifest("secret", nil)
	admin.do("PUT", "/v2/secret/manifests/v1", raw, "Content-Type", mediaTypeManifest).want(http.StatusCreated)
	d := digestOf(raw)
	layer := digest.FromString("layer of secret").String()
	for _, c := range []*client{e.anonymous(), e.user("bob", "AcrPush", "bob/*")} {
		for _, call := range []string{
			"GET /manifests/v1", "HEAD /manifests/v1", "GET /manifests/" + d, "PUT /manifests/v1", "DELETE /manifests/v1", "DELETE /manifests/" + d,
			"GET /blobs/" + layer, "HEAD /blobs/" + layer, "DELETE /blobs/" + layer, "POST /blobs/uploads/", "POST /blobs/uploads/?mount=" + layer,
			"GET /tags/list", "GET /referrers/" + d,
		} {
			method, path, _ := strings.Cut(call, " ")
			there, absent := c.do(method, "/v2/secret"+path, nil), c.do(method, "/v2/absent"+path, nil)
			if s := there.StatusCode; s != absent.StatusCode || s != http.StatusUnauthorized && s != http.StatusForbidden {
				t.Errorf("%s: %s: %d if it is there, %d if not", c.name, call, s, absent.StatusCode)
			}
			if strings.ReplaceAll(string(there.body), "secret", "absent") != string(absent.body) {
				t.Errorf("%s: %s:\n%s\n%s", c.name, call, there.body, absent.body)
			}
		}
		if res := c.do("GET", "/v2/_catalog", nil); strings.Contains(string(res.body), "secret") {
			t.Errorf("%s sees %s", c.name, res.body)
		}
	}
}

// TestRights gives each role what is its own and no more.
func TestRights(t *testing.T) {
	e := newEnv(t)
	admin := e.admin()
	blob := content(10)
	d := admin.push("a", blob).String()
	for role, want := range map[string][3]bool{ // pull, push, delete
		"AcrPull": {true, false, false}, "AcrPush": {true, true, false}, "AcrDelete": {false, false, true},
		"Contributor": {true, true, true}, "Owner": {true, true, true},
	} {
		c := e.user(role, role)
		for i, call := range []string{"GET /v2/a/blobs/" + d, "POST /v2/a/blobs/uploads/", "DELETE /v2/a/blobs/" + d} {
			method, path, _ := strings.Cut(call, " ")
			res := c.do(method, path, nil)
			if want[i] != (res.StatusCode < 300) || !want[i] && res.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %s: status %d", role, method, res.StatusCode)
			}
		}
		admin.push("a", blob)
	}
}

// TestAuthorisesBeforeReading lets a body wait for the answer: nobody without
// the right gets the server to read it.
func TestAuthorisesBeforeReading(t *testing.T) {
	e := newEnv(t)
	for _, call := range []string{"PUT /v2/a/manifests/v1", "POST /v2/a/blobs/uploads/?digest=" + dgst, "PATCH /v2/a/blobs/uploads/x"} {
		conn := e.dial()
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n", call)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %v, %v", call, res, err)
		}
	}
}

// TestDisconnectIsNoError cuts a download and an upload, and looks into the log.
func TestDisconnectIsNoError(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	d := c.push("a", content(8<<20))
	location := c.start("a")
	for range 5 {
		conn := e.dial()
		fmt.Fprintf(conn, "GET /v2/a/blobs/%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n", d, c.auth)
		conn.Read(make([]byte, 100))
		conn.Close()
		conn = e.dial()
		fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 100000\r\n\r\nabc", location, c.auth)
		conn.Close()
	}
	e.srv.Close() // waits for the handlers
	if log := e.log(); log != "" {
		t.Errorf("log:\n%s", log)
	}
}
