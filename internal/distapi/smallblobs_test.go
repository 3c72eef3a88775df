package distapi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/smallblobs"
)

// frames puts blobs into a body.
func frames(blobs ...[]byte) []byte {
	var b []byte
	for _, content := range blobs {
		b = append(smallblobs.AppendHead(b, digest.FromBytes(content), len(content)), content...)
	}
	return b
}

// list puts the digests of blobs into a body.
func list(blobs ...[]byte) []byte {
	var b []byte
	for _, content := range blobs {
		b = smallblobs.AppendList(b, digest.FromBytes(content))
	}
	return b
}

// pushAll and readAll are the two requests.
func (c *client) pushAll(repo string, body []byte) *response {
	c.e.t.Helper()
	return c.do("POST", "/v2/"+repo+smallblobs.WritePath, body)
}

func (c *client) readAll(repo string, body []byte) *response {
	c.e.t.Helper()
	return c.do("POST", "/v2/"+repo+smallblobs.ReadPath, body)
}

// blobs returns the contents of an answer in order, and nil for what is not sent.
func (r *response) blobs() [][]byte {
	r.t.Helper()
	r.want(http.StatusOK)
	var contents [][]byte
	for in := smallblobs.NewReader(bytes.NewReader(r.body)); ; {
		b, err := in.Next()
		if err == io.EOF {
			return contents
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if b.Content != nil && !b.Whole() {
			r.t.Errorf("%s: the content of %s is another", r.what, b.Digest)
		}
		contents = append(contents, b.Content)
	}
}

func (r *response) wantBlobs(want ...[]byte) {
	r.t.Helper()
	got := r.blobs()
	if len(got) != len(want) {
		r.t.Fatalf("%s: %d blobs, want %d", r.what, len(got), len(want))
	}
	for i := range want {
		if (got[i] == nil) != (want[i] == nil) || !bytes.Equal(got[i], want[i]) {
			r.t.Errorf("%s: blob %d has %d bytes, want %d", r.what, i, len(got[i]), len(want[i]))
		}
	}
}

// numbered makes n blobs of about a size that all differ.
func numbered(n, size int) [][]byte {
	blobs := make([][]byte, n)
	for i := range blobs {
		blobs[i] = append(fmt.Appendf(nil, "%d ", i), content(size)...)
	}
	return blobs
}

// TestSmallBlobs moves blobs of all sizes together, on both sides of what is
// kept in the metadata.
func TestSmallBlobs(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	blobs := [][]byte{{}, content(1), content(10000), content(32 << 10), content(32<<10 + 1), content(smallblobs.MaxBlob)}
	c.pushAll("a/b", frames(blobs...)).want(http.StatusCreated)
	for range 2 { // from the store, and from the cache
		c.readAll("a/b", list(blobs...)).wantBlobs(blobs...)
	}
	for _, b := range blobs { // they are blobs as all others
		if res := c.do("GET", "/v2/a/b/blobs/"+digestOf(b), nil); res.StatusCode != http.StatusOK || !bytes.Equal(res.body, b) {
			t.Errorf("a blob of %d bytes: status %d, %d bytes", len(b), res.StatusCode, len(res.body))
		}
	}
}

// TestManySmallBlobs moves as many as may be, more than go into one transaction
// and one query.
func TestManySmallBlobs(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	blobs := numbered(smallblobs.MaxBlobs, 10)
	c.pushAll("a", frames(blobs...)).want(http.StatusCreated)
	c.readAll("a", list(blobs...)).wantBlobs(blobs...)
	c.pushAll("a", frames(blobs...)).want(http.StatusCreated) // which are there
}

// TestSmallBlobsAnswers reads what cannot be sent: absent, too large, the same
// twice, more than one answer may hold.
func TestSmallBlobsAnswers(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	here, large, absent := content(10), content(smallblobs.MaxBlob+1), content(11)
	c.push("a", here)
	c.push("a", large)
	c.readAll("a", list(absent, here, large, here)).wantBlobs(nil, here, nil, here)
	c.readAll("a", nil).wantBlobs()
	c.readAll("none", list(here)).wantBlobs(nil)

	many := numbered(20, smallblobs.MaxBlob-10)
	for _, b := range many {
		c.push("a", b)
	}
	sent := 0
	for _, b := range c.readAll("a", list(many...)).blobs() {
		sent += len(b)
	}
	if sent == 0 || sent > smallblobs.MaxTotal {
		t.Errorf("%d bytes were sent", sent)
	}
}

// TestSmallBlobsPermissions moves blobs with too few rights, and asks for those
// of another repository.
func TestSmallBlobsPermissions(t *testing.T) {
	e := newEnv(t)
	secret := content(100)
	e.admin().push("secret/repo", secret)
	owner := e.user("dev", "AcrPush", "open/*")
	owner.pushAll("open/a", frames(content(5))).want(http.StatusCreated)
	owner.readAll("open/a", list(secret, content(5))).wantBlobs(nil, content(5)) // the digest alone is no permission
	owner.readAll("secret/repo", list(secret)).wantCode(http.StatusForbidden, orlop.CodeDenied)

	reader := e.user("reader", "AcrPull", "open/*")
	reader.readAll("open/a", list(content(5))).wantBlobs(content(5))
	reader.pushAll("open/a", frames(content(6))).wantCode(http.StatusForbidden, orlop.CodeDenied)
	e.anonymous().pushAll("open/a", frames(content(6))).wantCode(http.StatusUnauthorized, orlop.CodeUnauthorized)
	e.anonymous().readAll("open/a", list(content(5))).wantCode(http.StatusUnauthorized, orlop.CodeUnauthorized)
	owner.readAll("open/a", list(content(6))).wantBlobs(nil)
	owner.withToken("repository:open/a:pull").pushAll("open/a", frames(content(6))).wantCode(http.StatusUnauthorized, "")
}

// TestHostileFrames sends bodies that are wrong: each is refused, and nothing of
// it is stored.
func TestHostileFrames(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	good := content(50)
	start := string(frames(good))
	other := digestOf([]byte("other"))
	for name, b := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"another content":   {start + other + " 5\nothre", 400, orlop.CodeDigestInvalid},
		"a negative size":   {start + other + " -5\n", 400, orlop.CodeUnsupported},
		"no content":        {start + other + " -1\n", 400, orlop.CodeUnsupported},
		"a huge size":       {start + other + " 1000000000000\n", 413, orlop.CodeSizeInvalid},
		"no size":           {start + other + "\nother", 400, orlop.CodeUnsupported},
		"a cut frame":       {start + other + " 5\noth", 400, orlop.CodeSizeInvalid},
		"a cut line":        {start + other, 400, orlop.CodeSizeInvalid},
		"a long line":       {start + strings.Repeat("x", 1<<20), 400, orlop.CodeUnsupported},
		"too many":          {start + strings.Repeat(string(frames(nil)), smallblobs.MaxBlobs), 413, orlop.CodeSizeInvalid},
		"too much":          {start + strings.Repeat(string(frames(content(smallblobs.MaxBlob))), 17), 413, orlop.CodeSizeInvalid},
		"a bad digest":      {start + "sha256:xyz 5\nother", 400, orlop.CodeUnsupported},
		"another algorithm": {start + "md5:795f3202b17cb6bc3d4b771d8c6c9eaf 5\nother", 400, orlop.CodeUnsupported},
	} {
		c.pushAll("a", []byte(b.body)).wantCode(b.status, b.code)
		if res := c.do("HEAD", "/v2/a/blobs/"+digestOf(good), nil); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: what came before is stored", name)
		}
	}
	c.readAll("a", []byte(strings.Repeat(other+"\n", smallblobs.MaxBlobs+1))).wantCode(413, orlop.CodeSizeInvalid)
	c.readAll("a", []byte(other+" 5\n")).wantCode(400, orlop.CodeUnsupported)
	c.readAll("a", []byte(other)).wantCode(400, orlop.CodeSizeInvalid)
	c.pushAll("a", append(frames(good), frames(good)...)).want(http.StatusCreated) // the same twice
	c.readAll("a", list(good)).wantBlobs(good)
}

// TestSmallBlobsBody stops sending, and goes away, within a body.
func TestSmallBlobsBody(t *testing.T) {
	e := newEnvWith(t, Options{BodyIdle: 50 * time.Millisecond})
	c := e.admin()
	body, w := io.Pipe()
	defer w.Close()
	go w.Write(frames(content(9))) // which then waits for a body that does not end
	c.send("POST", "/v2/a"+smallblobs.WritePath, body).wantCode(http.StatusRequestTimeout, orlop.CodeUploadInvalid)

	conn := e.dial()
	fmt.Fprintf(conn, "POST /v2/a%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 1000\r\n\r\n", smallblobs.WritePath, c.auth)
	conn.Write(frames(content(9)))
	conn.Close()
	c.readAll("a", list(content(9))).wantBlobs(nil)
}

// TestSmallBlobsRefused stores on a full disk, and reads what is damaged.
func TestSmallBlobsRefused(t *testing.T) {
	e := newEnvOn(t, Options{}, mem.New(mem.Options{Capacity: 100 << 10}))
	c := e.admin()
	large := numbered(3, 40<<10) // too large for the metadata
	c.push("a", large[0])
	c.pushAll("a", frames(large[1:]...)).wantCode(http.StatusInsufficientStorage, orlop.CodeStorageFull)
	c.pushAll("a", frames(content(10))).want(http.StatusCreated)

	e.rot.at.Store(100)
	c.readAll("a", list(large[0])).wantBlobs(nil)
	c.do("GET", "/v2/a/blobs/"+digestOf(large[0]), nil).want(http.StatusInternalServerError)
	if !strings.Contains(e.log(), digestOf(large[0])) {
		t.Error("the damage is not logged")
	}
}

// TestOffersSmallBlobs checks that every answer tells of the extension, and what
// its paths take.
func TestOffersSmallBlobs(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	for _, res := range []*response{
		c.do("GET", "/v2/", nil), e.anonymous().do("GET", "/v2/", nil), c.do("HEAD", "/v2/a/manifests/none", nil),
		c.do("HEAD", "/v2/a/blobs/"+dgst, nil), c.do("GET", "/v2/nothing/like/that", nil),
	} {
		if !smallblobs.Offered(res.Header.Values(smallblobs.Header)) {
			t.Errorf("%s does not tell", res.what)
		}
	}
	for path, status := range map[string]int{
		"/v2/a/_orlop/blobs/read":     http.StatusMethodNotAllowed,
		"/v2/a/_orlop/blobs/write":    http.StatusMethodNotAllowed,
		"/v2/a/_orlop/blobs/other":    http.StatusNotFound,
		"/v2/a/_orlop/blobs/" + dgst:  http.StatusNotFound,
		"/v2/_orlop/blobs/read":       http.StatusBadRequest,
		"/v2/A/_orlop/blobs/read":     http.StatusBadRequest,
		"/v2/a/_other/blobs/read":     http.StatusBadRequest,
		"/v2/a/_orlop/manifests/read": http.StatusBadRequest,
	} {
		if res := c.do("GET", path, nil); res.StatusCode != status {
			t.Errorf("GET %s: status %d, want %d", path, res.StatusCode, status)
		}
	}
}
