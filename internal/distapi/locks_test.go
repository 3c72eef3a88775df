package distapi

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/smallblobs"
)

// shelf is a repository with one of everything that can be locked: an image
// that a tag names and an index that lists another, and an artifact that refers
// to the image.
type shelf struct {
	t     *testing.T
	c     *client
	repo  string
	image []byte // tagged v1
	layer digest.Digest
	index digest.Digest // lists child
	child digest.Digest
	under digest.Digest // layer of child
	note  digest.Digest // refers to image
}

func newShelf(t *testing.T, c *client, repo string) *shelf {
	t.Helper()
	s := &shelf{t: t, c: c, repo: repo}
	s.image = c.manifest(repo, nil)
	s.layer = digest.FromString("layer of " + repo)
	s.put("v1", mediaTypeManifest, s.image)
	s.under = c.push(repo, []byte("under "+repo))
	child := c.manifest(repo, func(m *ocispec.Manifest) {
		m.Layers = []ocispec.Descriptor{{MediaType: "application/vnd.test", Digest: s.under, Size: int64(len("under " + repo))}}
	})
	s.child = s.put(digestOf(child), mediaTypeManifest, child)
	s.index = s.put("index", mediaTypeIndex, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		mediaTypeIndex, mediaTypeManifest, s.child, len(child)))
	note := c.manifest(repo, func(m *ocispec.Manifest) {
		m.Subject = &ocispec.Descriptor{MediaType: mediaTypeManifest, Digest: digestTyped(s.image), Size: int64(len(s.image))}
	})
	s.note = s.put(digestOf(note), mediaTypeManifest, note)
	return s
}

func (s *shelf) put(reference, mediaType string, raw []byte) digest.Digest {
	s.t.Helper()
	s.c.do("PUT", "/v2/"+s.repo+"/manifests/"+reference, raw, "Content-Type", mediaType).want(http.StatusCreated)
	return digest.FromBytes(raw)
}

// other is an image that is not in the repository yet, whose blobs are.
func (s *shelf) other() []byte {
	s.t.Helper()
	return s.c.manifest(s.repo, func(m *ocispec.Manifest) { m.Annotations = map[string]string{"other": "yes"} })
}

// lock sets a lock on one of lockables.
func (s *shelf) lock(what string, l meta.Locks) {
	s.t.Helper()
	ctx, reg, change := s.t.Context(), s.c.e.reg, meta.LockChange{Set: l}
	var err error
	switch what {
	case "repo":
		_, err = reg.LockRepository(ctx, s.repo, change)
	case "tag":
		_, err = reg.LockTag(ctx, s.repo, "v1", change)
	case "index-tag":
		_, err = reg.LockTag(ctx, s.repo, "index", change)
	default:
		d := map[string]digest.Digest{"image": digestTyped(s.image), "index": s.index, "note": s.note}[what]
		_, err = reg.LockManifest(ctx, s.repo, d, change)
	}
	if err != nil {
		s.t.Fatalf("lock %s: %v", what, err)
	}
}

var (
	lockNames = map[meta.Locks]string{meta.NoWrite: "write", meta.NoDelete: "delete", meta.NoRead: "read", meta.NoList: "list"}
	lockables = []string{"repo", "tag", "image", "index", "index-tag", "note"}
)

// lockRow is one way to an effect, and the locks that are in its way, as
// "repo.write".
type lockRow struct {
	name   string
	kind   kind
	method string
	locks  string
	status int // if nothing is locked
	// prepare does what goes before the lock, and returns what is done after it.
	prepare func(s *shelf) func() *response
}

const (
	imageStays = "repo.write tag.write tag.delete image.write image.delete"
	indexStays = "repo.write index.write index.delete index-tag.write index-tag.delete"
)

func lockRows() []lockRow {
	request := func(method, path string, body func(s *shelf) []byte, headers ...string) func(*shelf) func() *response {
		return func(s *shelf) func() *response {
			var raw []byte
			if body != nil {
				raw = body(s)
			}
			path := strings.NewReplacer("IMAGE", digestOf(s.image), "LAYER", s.layer.String(), "CHILD", s.child.String(),
				"UNDER", s.under.String(), "BODY", digestOf(raw)).Replace(path)
			return func() *response { return s.c.do(method, "/v2/"+s.repo+path, raw, headers...) }
		}
	}
	manifest := []string{"Content-Type", mediaTypeManifest}
	same := func(s *shelf) []byte { return s.image }
	other := func(s *shelf) []byte { return s.other() }
	small := func(s *shelf) []byte { return []byte("new") }
	return []lockRow{
		{"push again what the tag names", kindManifest, "PUT", "repo.write", 201, request("PUT", "/manifests/v1", same, manifest...)},
		{"push over the tag", kindManifest, "PUT", "repo.write tag.write", 201, request("PUT", "/manifests/v1", other, manifest...)},
		{"push over the tag beside another", kindManifest, "PUT", "repo.write tag.write", 201, request("PUT", "/manifests/new?tag=v1", other, manifest...)},
		{"push over the tag by digest", kindManifest, "PUT", "repo.write tag.write", 201, request("PUT", "/manifests/BODY?tag=v1", other, manifest...)},
		{"push a new tag", kindManifest, "PUT", "repo.write", 201, request("PUT", "/manifests/new", other, manifest...)},
		{"tag the image once more", kindManifest, "PUT", "repo.write", 201, request("PUT", "/manifests/new", same, manifest...)},
		{"push by digest", kindManifest, "PUT", "repo.write", 201, request("PUT", "/manifests/BODY", other, manifest...)},
		{"delete the tag", kindManifest, "DELETE", "repo.write tag.write tag.delete", 202, request("DELETE", "/manifests/v1", nil)},
		{"delete the image", kindManifest, "DELETE", imageStays, 202, request("DELETE", "/manifests/IMAGE", nil)},
		{"delete a child", kindManifest, "DELETE", indexStays, 202, request("DELETE", "/manifests/CHILD", nil)},
		{"delete a layer", kindBlob, "DELETE", imageStays + " note.write note.delete", 202, request("DELETE", "/blobs/LAYER", nil)},
		{"delete a layer of a child", kindBlob, "DELETE", indexStays, 202, request("DELETE", "/blobs/UNDER", nil)},
		{"push a blob", kindUploads, "POST", "repo.write", 201, request("POST", "/blobs/uploads/?digest=BODY", small)},
		{"begin an upload", kindUploads, "POST", "repo.write", 202, request("POST", "/blobs/uploads/", nil)},
		{"begin an upload in place of a mount", kindUploads, "POST", "repo.write", 202, request("POST", "/blobs/uploads/?from=absent&mount=BODY", nil)},
		{"mount a blob", kindUploads, "POST", "repo.write", 201, mountTo},
		{"finish an upload", kindUpload, "PUT", "repo.write", 201, finishUpload},
		{"go on with a large upload", kindUpload, "PATCH", "repo.write", 202, patchUpload},
		{"cancel an upload", kindUpload, "DELETE", "", 204, cancelUpload},
		{"push small blobs", kindWriteBlobs, "POST", "repo.write", 201, request("POST", smallblobs.WritePath, smallBlobs)},
		{"ask for small blobs", kindReadBlobs, "POST", "", 200, request("POST", smallblobs.ReadPath, nil)},

		{"pull by tag", kindManifest, "GET", "repo.read tag.read image.read", 200, request("GET", "/manifests/v1", nil)},
		{"resolve the tag", kindManifest, "HEAD", "repo.read tag.read image.read", 200, request("HEAD", "/manifests/v1", nil)},
		{"pull by digest", kindManifest, "GET", "repo.read image.read", 200, request("GET", "/manifests/IMAGE", nil)},
		{"pull a layer", kindBlob, "GET", "repo.read", 200, request("GET", "/blobs/LAYER", nil)},
		{"ask for a layer", kindBlob, "HEAD", "repo.read", 200, request("HEAD", "/blobs/LAYER", nil)},
		{"list tags", kindTags, "GET", "", 200, request("GET", "/tags/list", nil)},
	}
}

func smallBlobs(*shelf) []byte {
	content := []byte("small")
	return append(smallblobs.AppendHead(nil, digest.FromBytes(content), len(content)), content...)
}

func mountTo(s *shelf) func() *response {
	d := s.c.push("elsewhere", []byte("blob of elsewhere"))
	return func() *response {
		return s.c.do("POST", "/v2/"+s.repo+"/blobs/uploads/?from=elsewhere&mount="+d.String(), nil)
	}
}

func finishUpload(s *shelf) func() *response {
	at := s.c.start(s.repo)
	return func() *response { return s.c.do("PUT", at+"?digest="+digestOf([]byte("x")), []byte("x")) }
}

func patchUpload(s *shelf) func() *response {
	at := s.c.start(s.repo)
	return func() *response { return s.c.do("PATCH", at, bytes.Repeat([]byte("x"), 100<<10)) }
}

func cancelUpload(s *shelf) func() *response {
	at := s.c.start(s.repo)
	return func() *response { return s.c.do("DELETE", at, nil) }
}

// TestLocks sets each lock that there is and tries each way: it is refused if
// the lock is in its way, and goes through if not. A route that changes
// something and has no row fails.
func TestLocks(t *testing.T) {
	e := newEnv(t)
	admin := e.admin()
	for i, row := range lockRows() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			own := *e
			own.t = t
			row.check(t, &client{e: &own, name: admin.name, auth: admin.auth}, fmt.Sprintf("r%d", i))
		})
	}
}

// check tries a row under each lock, each time in a new repository.
func (row *lockRow) check(t *testing.T, c *client, prefix string) {
	for _, what := range lockables {
		for l, name := range lockNames {
			s := newShelf(t, c, prefix+"/"+what+"/"+name)
			try := row.prepare(s)
			s.lock(what, l)
			status := row.status
			if slices.Contains(strings.Fields(row.locks), what+"."+name) {
				status = http.StatusMethodNotAllowed
			}
			res := try()
			if res.StatusCode != status {
				t.Errorf("locked %s.%s: status %d, want %d: %s", what, name, res.StatusCode, status, res.body)
			}
			if status == http.StatusMethodNotAllowed && row.method != "HEAD" {
				res.wantCode(status, orlop.CodeDisallowed)
			}
		}
	}
}

// TestEveryChangeHasARow wants a row for each method that changes something.
func TestEveryChangeHasARow(t *testing.T) {
	for k := range table {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			has := slices.ContainsFunc(lockRows(), func(r lockRow) bool { return r.kind == kind(k) && r.method == method })
			if table[k].handler(method) != nil && !has {
				t.Errorf("%s of kind %d has no row in the table of locks", method, k)
			}
		}
	}
}

// TestUnreadable wants nothing of a repository that must not be read to come out
// by a detour.
func TestUnreadable(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	s := newShelf(t, c, "a")
	s.lock("repo", meta.NoRead)
	for _, from := range []string{"&from=a", ""} { // refused by asking for the content instead
		c.do("POST", "/v2/b/blobs/uploads/?mount="+s.layer.String()+from, nil).want(http.StatusAccepted)
	}
	c.do("HEAD", "/v2/b/blobs/"+s.layer.String(), nil).want(http.StatusNotFound)
	res := c.do("POST", "/v2/a"+smallblobs.ReadPath, []byte(s.layer.String()+"\n"))
	res.want(http.StatusOK)
	if strings.Contains(string(res.body), "layer of") {
		t.Errorf("a small blob was sent: %q", res.body)
	}
	c.do("GET", "/v2/a/blobs/"+s.layer.String(), nil, "Range", "bytes=0-3").wantCode(http.StatusMethodNotAllowed, orlop.CodeDisallowed)
}

// TestUnlisted hides what must not be listed from lists, and only from them.
func TestUnlisted(t *testing.T) {
	e := newEnv(t)
	c := e.admin()
	s := newShelf(t, c, "a")
	image := digestOf(s.image)
	lists := map[string]string{"repo": "/v2/_catalog", "tag": "/v2/a/tags/list", "note": "/v2/a/referrers/" + image}
	shown := map[string]string{"repo": `"a"`, "tag": `"v1"`, "note": s.note.String()}
	for what, path := range lists {
		if res := c.do("GET", path, nil); !strings.Contains(string(res.body), shown[what]) {
			t.Fatalf("%s before: %s", path, res.body)
		}
		s.lock(what, meta.NoList)
		if res := c.do("GET", path, nil); res.StatusCode != http.StatusOK || strings.Contains(string(res.body), shown[what]) {
			t.Errorf("%s: %d %s", path, res.StatusCode, res.body)
		}
	}
	for _, path := range []string{"/v2/a/manifests/v1", "/v2/a/manifests/" + image, "/v2/a/manifests/" + s.note.String(), "/v2/a/tags/list"} {
		c.do("GET", path, nil).want(http.StatusOK)
	}
	s.put(s.note.String(), mediaTypeManifest, c.do("GET", "/v2/a/manifests/"+s.note.String(), nil).body)
	if res := c.do("GET", lists["note"], nil); strings.Contains(string(res.body), s.note.String()) {
		t.Errorf("pushed again, it is listed: %s", res.body)
	}
}
