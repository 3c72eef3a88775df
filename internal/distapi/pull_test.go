package distapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
)

func TestBlobHeaders(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	for _, size := range []int{0, 100, 2 << 20} {
		d := c.push("a", content(size)).String()
		for _, method := range []string{"GET", "HEAD"} {
			res := c.do(method, "/v2/a/blobs/"+d, nil)
			res.want(http.StatusOK)
			res.wantHeader("Content-Length", strconv.Itoa(size))
			res.wantHeader("Content-Type", "application/octet-stream")
			res.wantHeader("Docker-Content-Digest", d)
			res.wantHeader("ETag", `"`+d+`"`)
			res.wantHeader("Accept-Ranges", "bytes")
			res = c.do(method, "/v2/a/blobs/"+d, nil, "If-None-Match", `"`+d+`"`)
			res.want(http.StatusNotModified)
			res.wantHeader("ETag", `"`+d+`"`)
			c.do(method, "/v2/a/blobs/"+d, nil, "If-None-Match", `"other"`).want(http.StatusOK)
		}
	}
	for _, method := range []string{"GET", "HEAD"} {
		c.do(method, "/v2/a/blobs/"+dgst512.String(), nil, "If-None-Match", "*").want(http.StatusNotFound)
	}
}

func TestBlobRanges(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	for _, size := range []int{1000, 3<<20 + 5} {
		all := content(size)
		d := c.push("a", all).String()
		path := "/v2/a/blobs/" + d
		for spec, want := range map[string][2]int{
			"0-0": {0, 1}, "0-": {0, size}, "10-19": {10, 20}, "-7": {size - 7, size}, "999-": {999, size},
			fmt.Sprintf("%d-%d", size-1, size+10): {size - 1, size}, fmt.Sprintf("-%d", size+1): {0, size},
			fmt.Sprintf("%d-%d", size/2, size/2+100): {size / 2, size/2 + 101},
		} {
			res := c.do("GET", path, nil, "Range", "bytes="+spec)
			res.want(http.StatusPartialContent)
			res.wantHeader("Content-Range", fmt.Sprintf("bytes %d-%d/%d", want[0], want[1]-1, size))
			res.wantHeader("Content-Length", strconv.Itoa(want[1]-want[0]))
			res.wantHeader("Docker-Content-Digest", d)
			if !bytes.Equal(res.body, all[want[0]:want[1]]) {
				t.Errorf("%s of %d: wrong bytes", spec, size)
			}
		}
		for _, spec := range []string{"-0", "500-0", fmt.Sprintf("%d-", size), "x", "", "0-0,", strings.Repeat("0-0,", 20) + "1-1", "0-,0-"} {
			res := c.do("GET", path, nil, "Range", "bytes="+spec)
			res.wantCode(http.StatusRequestedRangeNotSatisfiable, orlop.CodeRangeInvalid)
			res.wantHeader("Content-Range", fmt.Sprintf("bytes */%d", size))
		}
		c.do("HEAD", path, nil, "Range", "bytes=0-0").wantHeader("Content-Length", strconv.Itoa(size))
		c.do("GET", path, nil, "Range", "lines=0-0").want(http.StatusOK)
		c.do("GET", path, nil, "Range", "bytes=0-0", "If-Range", `"`+d+`"`).want(http.StatusPartialContent)
		c.do("GET", path, nil, "Range", "bytes=0-0", "If-Range", `"other"`).want(http.StatusOK)
		c.do("GET", path, nil, "Range", "bytes=0-0", "If-Range", "Mon, 02 Jan 2006 15:04:05 GMT").want(http.StatusOK)
	}
	empty := c.push("a", nil).String()
	c.do("GET", "/v2/a/blobs/"+empty, nil, "Range", "bytes=0-").want(http.StatusRequestedRangeNotSatisfiable)
}

func TestBlobMultipleRanges(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	all := content(3<<20 + 5)
	d := c.push("a", all).String()
	res := c.do("GET", "/v2/a/blobs/"+d, nil, "Range", "bytes=2000000-2999999, 0-9, -5")
	res.want(http.StatusPartialContent)
	res.wantHeader("Content-Length", strconv.Itoa(len(res.body)))
	mediaType, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/byteranges" {
		t.Fatalf("Content-Type %q", res.Header.Get("Content-Type"))
	}
	parts := multipart.NewReader(bytes.NewReader(res.body), params["boundary"])
	for _, want := range [][2]int{{2000000, 3000000}, {0, 10}, {len(all) - 5, len(all)}} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := part.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", want[0], want[1]-1, len(all)); got != want {
			t.Errorf("Content-Range %q, want %q", got, want)
		}
		if got, err := io.ReadAll(part); err != nil || !bytes.Equal(got, all[want[0]:want[1]]) {
			t.Errorf("part %v: %d bytes, %v", want, len(got), err)
		}
	}
	if _, err := parts.NextPart(); err != io.EOF {
		t.Errorf("after the last part: %v", err)
	}
}

// rottenStore flips a bit of every object at an offset, when it is told to.
type rottenStore struct {
	blob.Store
	at atomic.Int64 // -1: nowhere
}

func (s *rottenStore) Open(ctx context.Context, key string) (blob.Object, error) {
	obj, err := s.Store.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	return &rottenObject{obj, s.at.Load()}, nil
}

type rottenObject struct {
	blob.Object
	at int64
}

func (o *rottenObject) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.Object.ReadAt(p, off)
	if i := o.at - off; o.at >= 0 && 0 <= i && i < int64(n) {
		p[i] ^= 1
	}
	return n, err
}

// TestDamageIsNotServed flips one bit and asks for the blob in every way: an
// answer is never complete, and damage in the first piece is an error answer.
func TestDamageIsNotServed(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	size := 5 << 20
	d := c.push("a", content(size)).String()
	path := "/v2/a/blobs/" + d
	for _, at := range []int64{0, 1 << 20, 3<<20 + 1, int64(size) - 1} {
		e.rot.at.Store(at)
		for _, spec := range []string{"", "bytes=0-", fmt.Sprintf("bytes=%d-%d", at, at), fmt.Sprintf("bytes=0-9,%d-%d", at, at)} {
			status, n, err := c.try(path, spec)
			atOnce := !strings.Contains(spec, ",") && (at < 1<<20 || strings.HasPrefix(spec, fmt.Sprintf("bytes=%d-", at)))
			switch {
			case atOnce && status != http.StatusInternalServerError:
				t.Errorf("bit flipped at %d, range %q: status %d, want an error", at, spec, status)
			case !atOnce && err == nil:
				t.Errorf("bit flipped at %d, range %q: status %d, %d bytes as if they were whole", at, spec, status, n)
			}
		}
		c.do("HEAD", path, nil).want(http.StatusOK) // opens nothing
	}
	if !strings.Contains(e.log(), d) {
		t.Error("the log does not name the digest")
	}
	e.rot.at.Store(-1)
	if status, n, err := c.try(path, ""); status != http.StatusOK || n != int64(size) || err != nil {
		t.Errorf("sound again: %d, %d, %v", status, n, err)
	}
}

func TestManifestPushAndPull(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	raw := c.manifest("a/b", nil)
	d := digestOf(raw)
	put := c.do("PUT", "/v2/a/b/manifests/1.0", raw, "Content-Type", mediaTypeManifest)
	put.want(http.StatusCreated)
	put.wantHeader("Location", "/v2/a/b/manifests/"+d)
	put.wantHeader("Docker-Content-Digest", d)
	put.wantHeader("OCI-Subject", "")
	for _, path := range []string{"/v2/a/b/manifests/1.0", "/v2/a/b/manifests/" + d, "/v2/a%2Fb/manifests/sha256%3A" + d[7:]} {
		for _, method := range []string{"GET", "HEAD"} {
			res := c.do(method, path, nil, "Accept", "application/json")
			res.want(http.StatusOK)
			res.wantHeader("Content-Type", mediaTypeManifest)
			res.wantHeader("Content-Length", strconv.Itoa(len(raw)))
			res.wantHeader("Docker-Content-Digest", d)
			if method == "GET" && !bytes.Equal(res.body, raw) {
				t.Errorf("%s: %s", path, res.body)
			}
			c.do(method, path, nil, "If-None-Match", `W/"`+d+`"`).want(http.StatusNotModified)
		}
	}
	c.do("DELETE", "/v2/a/b/manifests/1.0", nil).want(http.StatusAccepted)
	c.do("GET", "/v2/a/b/manifests/1.0", nil).wantCode(http.StatusNotFound, orlop.CodeManifestUnknown)
	c.do("GET", "/v2/a/b/manifests/"+d, nil).want(http.StatusOK)
	c.do("DELETE", "/v2/a/b/manifests/"+d, nil).want(http.StatusAccepted)
	c.do("GET", "/v2/a/b/manifests/"+d, nil).wantCode(http.StatusNotFound, orlop.CodeManifestUnknown)
	c.do("DELETE", "/v2/a/b/manifests/"+d, nil).wantCode(http.StatusNotFound, orlop.CodeManifestUnknown)
	c.do("GET", "/v2/none/manifests/x", nil).wantCode(http.StatusNotFound, orlop.CodeNameUnknown)
}

func TestManifestTagParameters(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	raw := c.manifest("a", nil)
	d := digestOf(raw)
	res := c.do("PUT", "/v2/a/manifests/"+d+"?tag=x&tag=y", raw, "Content-Type", mediaTypeManifest)
	res.want(http.StatusCreated)
	if got := strings.Join(res.Header.Values("OCI-Tag"), ","); got != "x,y" {
		t.Errorf("OCI-Tag: %s", got)
	}
	for _, tag := range []string{"x", "y"} {
		c.do("HEAD", "/v2/a/manifests/"+tag, nil).wantHeader("Docker-Content-Digest", d)
	}
	c.do("PUT", "/v2/a/manifests/"+d+"?tag=z&tag=..", raw, "Content-Type", mediaTypeManifest).wantCode(http.StatusBadRequest, orlop.CodeTagInvalid)
	c.do("HEAD", "/v2/a/manifests/z", nil).want(http.StatusNotFound)
	many := strings.Repeat("&tag=t", maxTagParams+1)
	c.do("PUT", "/v2/a/manifests/"+d+"?"+many[1:], raw, "Content-Type", mediaTypeManifest).want(http.StatusRequestURITooLong)
}

func TestManifestRefuses(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	raw := c.manifest("a", nil)
	d := digestOf(raw)
	both := []byte(`{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}`)
	foreign := c.manifest("elsewhere", nil)
	big := append(raw[:len(raw)-1:len(raw)-1], bytes.Repeat([]byte(" "), orlop.MaxManifestSize)...)
	for name, try := range map[string]struct {
		path        string
		body        []byte
		contentType string
		status      int
		code        string
	}{
		"other digest":        {"/v2/a/manifests/" + dgst, raw, mediaTypeManifest, 400, orlop.CodeDigestInvalid},
		"bad digest":          {"/v2/a/manifests/sha256:baddigeststring", raw, mediaTypeManifest, 400, orlop.CodeDigestInvalid},
		"bad tag":             {"/v2/a/manifests/..", raw, mediaTypeManifest, 400, orlop.CodeTagInvalid},
		"nothing":             {"/v2/a/manifests/x", nil, mediaTypeManifest, 400, orlop.CodeManifestInvalid},
		"no JSON":             {"/v2/a/manifests/x", []byte("{"), mediaTypeManifest, 400, orlop.CodeManifestInvalid},
		"image and index":     {"/v2/a/manifests/x", both, mediaTypeManifest, 400, orlop.CodeManifestInvalid},
		"image as index":      {"/v2/a/manifests/x", raw, mediaTypeIndex, 400, orlop.CodeManifestInvalid},
		"image as text":       {"/v2/a/manifests/x", raw, "text/plain", 400, orlop.CodeManifestInvalid},
		"blobs of elsewhere":  {"/v2/a/manifests/x", foreign, mediaTypeManifest, 400, orlop.CodeManifestBlobUnknown},
		"more than 4 MiB":     {"/v2/a/manifests/x", big, mediaTypeManifest, 413, orlop.CodeManifestInvalid},
		"by another's digest": {"/v2/a/manifests/" + d, both, mediaTypeManifest, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.do("PUT", try.path, try.body, "Content-Type", try.contentType).wantCode(try.status, try.code)
			if len(try.body) > 0 { // and if the length is not known before
				res := c.send("PUT", try.path, io.MultiReader(bytes.NewReader(try.body)), "Content-Type", try.contentType)
				res.wantCode(try.status, try.code)
			}
		})
	}
	c.do("HEAD", "/v2/a/manifests/x", nil).want(http.StatusNotFound)
}
