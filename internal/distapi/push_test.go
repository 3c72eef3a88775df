package distapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob/mem"
)

// blobs are sizes on both sides of what is kept in the metadata store, and of a
// piece.
var blobSizes = []int{0, 1, 1000, 32 << 10, 32<<10 + 1, 1 << 20, 1<<20 + 1, 3<<20 + 12345}

// content makes n bytes that differ from piece to piece.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>12 ^ i*7)
	}
	return b
}

func TestBlobUploadForms(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	forms := map[string]func(repo string, blob []byte, dgst digest.Digest) *response{
		"post": func(repo string, blob []byte, dgst digest.Digest) *response {
			return c.do("POST", "/v2/"+repo+"/blobs/uploads/?digest="+dgst.String(), blob)
		},
		"post and put": func(repo string, blob []byte, dgst digest.Digest) *response {
			return c.do("PUT", c.start(repo)+"?digest="+dgst.String(), blob)
		},
		"digest after an ampersand": func(repo string, blob []byte, dgst digest.Digest) *response {
			return c.do("PUT", c.start(repo)+"&digest="+url.QueryEscape(dgst.String()), blob)
		},
		"stream": func(repo string, blob []byte, dgst digest.Digest) *response {
			res := c.do("PATCH", c.start(repo), blob)
			res.want(http.StatusAccepted)
			return c.do("PUT", res.Header.Get("Location")+"?digest="+dgst.String(), nil)
		},
		"unknown length": func(repo string, blob []byte, dgst digest.Digest) *response {
			res := c.send("PATCH", c.start(repo), io.MultiReader(bytes.NewReader(blob)))
			res.want(http.StatusAccepted)
			return c.do("PUT", res.Header.Get("Location")+"?digest="+dgst.String(), nil)
		},
		"chunks": func(repo string, blob []byte, dgst digest.Digest) *response {
			location := c.start(repo)
			for start := 0; start < len(blob); {
				end := min(start+len(blob)/3+1, len(blob))
				res := c.do("PATCH", location, blob[start:end], "Content-Range", fmt.Sprintf("%d-%d", start, end-1))
				res.want(http.StatusAccepted)
				if got, want := res.Header.Get("Range"), fmt.Sprintf("0-%d", end-1); got != want {
					t.Errorf("Range: %s, want %s", got, want)
				}
				location, start = res.Header.Get("Location"), end
			}
			return c.do("PUT", location+"?digest="+dgst.String(), nil)
		},
		"last chunk with the put": func(repo string, blob []byte, dgst digest.Digest) *response {
			location, half := c.start(repo), len(blob)/2
			if half > 0 {
				c.do("PATCH", location, blob[:half], "Content-Range", fmt.Sprintf("0-%d", half-1)).want(http.StatusAccepted)
				return c.do("PUT", location+"?digest="+dgst.String(), blob[half:], "Content-Range", fmt.Sprintf("bytes %d-%d/%d", half, len(blob)-1, len(blob)))
			}
			return c.do("PUT", location+"?digest="+dgst.String(), blob)
		},
	}
	for name, push := range forms {
		t.Run(name, func(t *testing.T) {
			for i, size := range blobSizes {
				repo := fmt.Sprintf("forms/%d/%s", i, strings.ReplaceAll(name, " ", "-"))
				blob := content(size)
				for _, dgst := range []digest.Digest{digest.FromBytes(blob), digest.SHA512.FromBytes(blob)} {
					res := push(repo, blob, dgst)
					res.want(http.StatusCreated)
					res.wantHeader("Docker-Content-Digest", dgst.String())
					res.wantHeader("Location", "/v2/"+repo+"/blobs/"+dgst.String())
					got := c.do("GET", res.Header.Get("Location"), nil)
					got.want(http.StatusOK)
					if !bytes.Equal(got.body, blob) {
						t.Errorf("%d bytes of %s came back different", size, dgst.Algorithm())
					}
					got.wantHeader("Content-Length", strconv.Itoa(size))
				}
			}
		})
	}
}

func TestUploadStatus(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	res := c.do("POST", "/v2/a/b/blobs/uploads/", nil)
	res.want(http.StatusAccepted)
	res.wantHeader("Range", "0-0")
	location := res.Header.Get("Location")
	if id := res.Header.Get("Docker-Upload-UUID"); id == "" || location != "/v2/a/b/blobs/uploads/"+id {
		t.Errorf("Location %q, Docker-Upload-UUID %q", location, id)
	}
	c.do("PATCH", location, content(100)).want(http.StatusAccepted)
	res = c.do("GET", location, nil)
	res.want(http.StatusNoContent)
	res.wantHeader("Range", "0-99")
	res.wantHeader("Location", location)
	c.do("DELETE", location, nil).want(http.StatusNoContent)
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		c.do(method, location, nil).wantCode(http.StatusNotFound, orlop.CodeUploadUnknown)
	}
	c.do("PUT", location+"?digest="+dgst, nil).wantCode(http.StatusNotFound, orlop.CodeUploadUnknown)
}

func TestUploadRefuses(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	blob := content(1000)
	good := digest.FromBytes(blob).String()
	location := c.start("a")
	c.do("PATCH", location, blob[:500]).want(http.StatusAccepted)

	for name, try := range map[string]struct {
		method, path string
		body         []byte
		headers      []string
		status       int
		code         string
	}{
		"a chunk too far":       {"PATCH", location, blob[600:], []string{"Content-Range", "600-999"}, 416, orlop.CodeRangeInvalid},
		"a chunk again":         {"PATCH", location, blob[:500], []string{"Content-Range", "0-499"}, 416, orlop.CodeRangeInvalid},
		"a put too far":         {"PUT", location + "?digest=" + good, blob[600:], []string{"Content-Range", "600-999"}, 416, orlop.CodeRangeInvalid},
		"a short chunk":         {"PATCH", location, blob[500:600], []string{"Content-Range", "500-999"}, 400, orlop.CodeSizeInvalid},
		"nonsense":              {"PATCH", location, blob[500:], []string{"Content-Range", "x"}, 400, orlop.CodeRangeInvalid},
		"a range backwards":     {"PATCH", location, blob[500:], []string{"Content-Range", "999-500"}, 400, orlop.CodeRangeInvalid},
		"no digest":             {"PUT", location, blob[500:], nil, 400, orlop.CodeDigestInvalid},
		"a bad digest":          {"PUT", location + "?digest=sha256:x", nil, nil, 400, orlop.CodeDigestInvalid},
		"a weak digest":         {"PUT", location + "?digest=md5:d41d8cd98f00b204e9800998ecf8427e", nil, nil, 400, orlop.CodeDigestInvalid},
		"a bad query":           {"PUT", location + "?digest=%zz", nil, nil, 400, orlop.CodeUnsupported},
		"a post of other bytes": {"POST", "/v2/a/blobs/uploads/?digest=" + dgst, blob, nil, 400, orlop.CodeDigestInvalid},
		"a post of nothing":     {"POST", "/v2/a/blobs/uploads/?digest=" + good, nil, nil, 400, orlop.CodeDigestInvalid},
		"an unknown algorithm":  {"POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", nil, nil, 400, orlop.CodeDigestInvalid},
		"an id of somebody":     {"GET", "/v2/a/blobs/uploads/00000000-0000-0000-0000-000000000000", nil, nil, 404, orlop.CodeUploadUnknown},
		"an id of no one":       {"GET", "/v2/a/blobs/uploads/a.b", nil, nil, 400, orlop.CodeUploadInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			res := c.do(try.method, try.path, try.body, try.headers...)
			res.wantCode(try.status, try.code)
			if try.status == http.StatusRequestedRangeNotSatisfiable {
				res.wantHeader("Range", "0-499")
				res.wantHeader("Location", location)
			}
		})
	}
	c.do("GET", "/v2/a/blobs/"+good, nil).wantCode(http.StatusNotFound, orlop.CodeBlobUnknown)
	c.do("PUT", location+"?digest="+good, blob[500:], "Content-Range", "500-999").want(http.StatusCreated)
}

// TestBadDigestLeavesNothing pushes other bytes than announced in every form.
func TestBadDigestLeavesNothing(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	for _, size := range []int{10, 1 << 20} {
		blob := content(size)
		wrong := digest.FromBytes(append(blob, 'x')).String()
		c.do("PUT", c.start("a")+"?digest="+wrong, blob).wantCode(http.StatusBadRequest, orlop.CodeDigestInvalid)
		c.do("POST", "/v2/a/blobs/uploads/?digest="+wrong, blob).wantCode(http.StatusBadRequest, orlop.CodeDigestInvalid)
		c.do("HEAD", "/v2/a/blobs/"+wrong, nil).want(http.StatusNotFound)
		c.do("HEAD", "/v2/a/blobs/"+digest.FromBytes(blob).String(), nil).want(http.StatusNotFound)
	}
}

// TestCutUploadKeepsWhatArrived cuts a PATCH in the middle and goes on from
// where it was, on another connection.
func TestCutUploadKeepsWhatArrived(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	for _, sizes := range [][2]int{{10_000, 4_000}, {5 << 20, 3<<20 + 17}} {
		blob := content(sizes[0])
		cut := sizes[1]
		location := c.start("a")
		conn := e.dial()
		fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n", location, c.auth, len(blob))
		conn.Write(blob[:cut])
		conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, conn) // until the server has noticed
		status := c.do("GET", location, nil)
		status.want(http.StatusNoContent)
		status.wantHeader("Range", fmt.Sprintf("0-%d", cut-1))
		c.do("PUT", location+"?digest="+digest.FromBytes(blob).String(), blob[cut:]).want(http.StatusCreated)
	}
}

// TestUploadIsOfOneCaller tries to get at another's upload (S7).
func TestUploadIsOfOneCaller(t *testing.T) {
	e := newEnv(t)
	alice := e.user("alice", "AcrPush", "shared/*")
	bob := e.user("bob", "AcrPush", "shared/*")
	stranger := e.user("carol", "AcrPush", "carol/*")
	nobody := e.anonymous()
	blob := content(50_000)
	good := digest.FromBytes(blob).String()
	location := alice.start("shared/a")
	alice.do("PATCH", location, blob[:40_000]).want(http.StatusAccepted)
	id := location[strings.LastIndex(location, "/"):]
	for _, c := range []*client{bob, stranger, nobody} {
		for _, path := range []string{location, "/v2/shared/b/blobs/uploads" + id, "/v2/carol/x/blobs/uploads" + id} {
			for _, method := range []string{"GET", "PATCH", "PUT", "DELETE"} {
				res := c.do(method, path+"?digest="+good, blob[40_000:])
				if s := res.StatusCode; s != 401 && s != 403 && s != 404 {
					t.Errorf("%s: %s %s: status %d", c.name, method, path, s)
				}
			}
		}
	}
	alice.do("PUT", "/v2/shared/b/blobs/uploads"+id+"?digest="+good, blob[40_000:]).want(http.StatusNotFound)
	alice.do("PUT", location+"?digest="+good, blob[40_000:]).want(http.StatusCreated)
}

// TestMount mounts what the caller may pull, and lets a mount of anything else
// become an upload, whether it is there or not (S6).
func TestMount(t *testing.T) {
	e := newEnv(t)
	admin := e.admin()
	blob := content(100)
	d := admin.push("secret/a", blob)
	admin.push("open/a", content(200))
	alice := e.user("alice", "AcrPush", "alice/*", "open/*")

	mount := func(c *client, from string, d digest.Digest) *response {
		path := "/v2/alice/x/blobs/uploads/?mount=" + d.String()
		if from != "" {
			path += "&from=" + from
		}
		return c.do("POST", path, nil)
	}
	for _, from := range []string{"secret/a", "secret/none", "alice/none", "open/a", ""} {
		res := mount(alice, from, d)
		res.want(http.StatusAccepted)
		if !strings.HasPrefix(res.Header.Get("Location"), "/v2/alice/x/blobs/uploads/") {
			t.Errorf("from %q: Location %q", from, res.Header.Get("Location"))
		}
	}
	alice.do("HEAD", "/v2/alice/x/blobs/"+d.String(), nil).want(http.StatusNotFound)

	res := mount(alice, "open/a", digest.FromBytes(content(200)))
	res.want(http.StatusCreated)
	alice.do("GET", res.Header.Get("Location"), nil).want(http.StatusOK)
	mount(admin, "", d).want(http.StatusCreated)
	alice.do("HEAD", "/v2/alice/x/blobs/"+d.String(), nil).want(http.StatusOK)

	mount(alice, "A", d).wantCode(http.StatusBadRequest, orlop.CodeNameInvalid)
	mount(alice, "open/a", "sha256:x").wantCode(http.StatusBadRequest, orlop.CodeDigestInvalid)
}

// TestBlobsAreLinkedToRepositories checks that a digest alone opens nothing.
func TestBlobsAreLinkedToRepositories(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	d := c.push("a", content(100)).String()
	for _, method := range []string{"GET", "HEAD", "DELETE"} {
		c.do(method, "/v2/b/blobs/"+d, nil).want(http.StatusNotFound)
	}
	c.do("PUT", c.start("b")+"?digest="+d, nil).wantCode(http.StatusBadRequest, orlop.CodeDigestInvalid)
	c.push("b", content(100))
	c.do("DELETE", "/v2/a/blobs/"+d, nil).want(http.StatusAccepted)
	c.do("GET", "/v2/b/blobs/"+d, nil).want(http.StatusOK)
	c.do("GET", "/v2/a/blobs/"+d, nil).wantCode(http.StatusNotFound, orlop.CodeBlobUnknown)
	c.do("DELETE", "/v2/a/blobs/"+d, nil).wantCode(http.StatusNotFound, orlop.CodeBlobUnknown)
}

// TestBodyThatStops ends a request whose body stops coming, and keeps what had
// come of an upload.
func TestBodyThatStops(t *testing.T) {
	e := newEnvWith(t, Options{BodyIdle: 50 * time.Millisecond})
	c := e.admin()
	location := c.start("a")
	for _, request := range []string{"PATCH " + location, "PUT /v2/a/manifests/x"} {
		conn := e.dial()
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 100\r\n\r\nabc", request, c.auth)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusRequestTimeout {
			t.Errorf("%s: %v, %v", request, res, err)
		}
	}
	c.do("GET", location, nil).wantHeader("Range", "0-2")
}

// TestMountAsksForABetterToken pushes with a token for one repository only, as
// most clients have, of a principal that may pull from the other.
func TestMountAsksForABetterToken(t *testing.T) {
	e := newEnv(t)
	admin := e.admin()
	d := admin.push("secret/a", content(100))
	admin.push("open/a", content(200))
	open := digest.FromBytes(content(200))
	alice := e.user("alice", "AcrPush", "alice/*", "open/*")
	narrow := alice.withToken("repository:alice/x:pull,push")

	for _, from := range []string{"&from=open/a", ""} {
		res := narrow.do("POST", "/v2/alice/x/blobs/uploads/?mount="+open.String()+from, nil)
		res.wantCode(http.StatusUnauthorized, orlop.CodeUnauthorized)
		const want = `scope="repository:alice/x:pull,push repository:open/a:pull"`
		if got := res.Header.Get("WWW-Authenticate"); !strings.Contains(got, want) {
			t.Errorf("challenge %s, want %s", got, want)
		}
		wide := alice.withToken("repository:alice/x:pull,push", "repository:open/a:pull")
		wide.do("POST", "/v2/alice/x/blobs/uploads/?mount="+open.String()+from, nil).want(http.StatusCreated)
		admin.do("DELETE", "/v2/alice/x/blobs/"+open.String(), nil)
	}
	// Who has no token yet, or one for something else, is told of both at once.
	for _, stranger := range []*client{e.anonymous(), alice.withToken("registry:catalog:*")} {
		res := stranger.do("POST", "/v2/alice%2Fx/blobs/uploads/?from=open%2Fa&mount="+open.String(), nil)
		const want = `scope="repository:alice/x:pull,push repository:open/a:pull"`
		if got := res.Header.Get("WWW-Authenticate"); res.StatusCode != http.StatusUnauthorized || !strings.Contains(got, want) {
			t.Errorf("challenge %s, want %s", got, want)
		}
	}
	// No challenge tells of what the principal may not pull.
	for _, from := range []string{"&from=secret/a", "&from=secret/none", ""} {
		narrow.do("POST", "/v2/alice/x/blobs/uploads/?mount="+d.String()+from, nil).want(http.StatusAccepted)
	}
}

// TestOneRequestAtATime lets two requests have one upload: the second is told
// so, the first goes on.
func TestOneRequestAtATime(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	blob := content(50_000)
	location := c.start("a")
	conn := e.dial()
	answers := bufio.NewReader(conn)
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		location, c.auth, len(blob))
	if res, err := http.ReadResponse(answers, nil); err != nil || res.StatusCode != http.StatusContinue {
		t.Fatalf("%v, %v", res, err) // it is reading the body now
	}
	for _, method := range []string{"PATCH", "PUT", "DELETE"} {
		c.do(method, location+"?digest="+dgst, blob).wantCode(http.StatusConflict, orlop.CodeUploadInvalid)
	}
	conn.Write(blob)
	if res, err := http.ReadResponse(answers, nil); err != nil || res.StatusCode != http.StatusAccepted {
		t.Fatalf("%v, %v", res, err)
	}
	c.do("PUT", location+"?digest="+digest.FromBytes(blob).String(), nil).want(http.StatusCreated)
}

// TestFullDisk refuses what does not fit, keeps no half of it, and goes on
// reading.
func TestFullDisk(t *testing.T) {
	e := newEnvOn(t, Options{}, mem.New(mem.Options{Capacity: 2<<20 + 100}))
	c := e.admin()
	d := c.push("a", content(1<<20)).String()
	blob := content(3 << 20)
	path := "?digest=" + digest.FromBytes(blob).String()
	for range 3 {
		c.do("POST", "/v2/a/blobs/uploads/"+path, blob).wantCode(http.StatusInsufficientStorage, orlop.CodeStorageFull)
		c.do("PUT", c.start("a")+path, blob).wantCode(http.StatusInsufficientStorage, orlop.CodeStorageFull)
		location := c.start("a")
		c.do("PATCH", location, blob).wantCode(http.StatusInsufficientStorage, orlop.CodeStorageFull)
		c.do("DELETE", location, nil).want(http.StatusNoContent)
	}
	c.do("GET", "/v2/a/blobs/"+d, nil).want(http.StatusOK)
	c.push("a", content(1<<20-1)) // fits, because nothing was left behind
}
