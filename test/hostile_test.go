package test

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/orlop/orlop/internal/testenv"
)

// TestHostileRequests sends what no client sends. Each is refused, without an
// error of the server.
func TestHostileRequests(t *testing.T) {
	var log logBuffer
	s := testenv.Start(t, testenv.Options{Log: &log})
	for name, c := range map[string]struct {
		request string
		want    []int
	}{
		"two lengths":         {"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 40\r\n\r\n", []int{400}},
		"negative length":     {"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", []int{400}},
		"length and chunks":   {"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400, 401}},
		"unknown encoding":    {"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n", []int{400, 501}},
		"no host":             {"GET /v2/ HTTP/1.1\r\n\r\n", []int{400}},
		"host with a path":    {"GET /v2/ HTTP/1.1\r\nHost: evil/..\r\n\r\n", []int{400}},
		"host with a quote":   {"GET /v2/ HTTP/1.1\r\nHost: a\"b\r\n\r\n", []int{400}},
		"header with no name": {"GET /v2/ HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", []int{400}},
		"folded header":       {"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: b\r\n c: d\r\n\r\n", []int{400, 401}},
		"huge header":         {"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 200<<10) + "\r\n\r\n", []int{431}},
		"huge path":           {"GET /v2/" + strings.Repeat("a/", 15<<10) + "tags/list HTTP/1.1\r\nHost: x\r\n\r\n", []int{400, 404}},
		"NUL in the path":     {"GET /v2/a%00b/tags/list HTTP/1.1\r\nHost: x\r\n\r\n", []int{400, 404}},
		"not UTF-8":           {"GET /v2/%ff%fe/tags/list HTTP/1.1\r\nHost: x\r\n\r\n", []int{400, 404}},
		"bad escape":          {"GET /v2/%zz/tags/list HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
		"asterisk":            {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", []int{404}},
		"HTTP/2 in clear":     {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400, 404, 505}},
		"garbage":             {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", []int{400}},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", s.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// The server may close before it has read all; its answer counts.
			_, _ = conn.Write([]byte(c.request))
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if !slices.Contains(c.want, resp.StatusCode) {
				t.Errorf("answered %s", resp.Status)
			}
		})
	}
	if resp, body := s.Do(t, http.MethodGet, "/healthz", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %s %s", resp.Status, body)
	}
	s.Stop()
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("log: %s", &log)
	}
}

// TestRefusalReachesWhoIsStillSending: the answer must not be lost because the
// server closes on a client that goes on sending.
func TestRefusalReachesWhoIsStillSending(t *testing.T) {
	s := testenv.Start(t, testenv.Options{})
	for path, want := range map[string]int{
		"POST /v2/refused/early/blobs/uploads/?digest=sha256:" + strings.Repeat("a", 64): http.StatusUnauthorized,
		"PUT /v2/refused/early/manifests/1.0":                                            http.StatusUnauthorized,
		"POST /nowhere":                                                                  http.StatusNotFound,
	} {
		conn, err := net.Dial("tcp", s.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = conn.Write([]byte(path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 67108864\r\n\r\n"))
			_, _ = conn.Write(make([]byte, 64<<20)) // fails when the server has had enough
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: answered %v, %v", path, resp, err)
		}
		conn.Close()
		<-sent
	}
}
