package registrytest

import (
	"bytes"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

var malformedTests = []test{
	{"repository", testMalformedRepository, nil},
	{"tag", testMalformedTag, nil},
	{"digest", testMalformedDigest, nil},
}

var malformedRepositories = []string{
	"A", "a/B", "/", "/a", "a/", "a//b", "..", "../a", "a/..", "a/../../../etc/passwd", "./a", "a/./b",
	`a\b`, "a b", "a:b", "a@b",
	"a?b", "a#b", "a%2Fb", "a.", ".a", "-a", "a-", "_a", "a..b", "a___b", "a._b", "é", "a\x00", "a\n", "\u202ea", "a/_catalog",
	"a\r\nHost: evil", strings.Repeat("a", 256), strings.Repeat("a/", 127) + "aa",
}

var malformedTags = []string{
	".", "..", ".a", "-a", "a/b", "../a", `a\b`, "a b", "a%2Fb", "a?b", "a#b", "é", "a\x00", "a\n", strings.Repeat("a", 129),
}

var malformedDigests = []digest.Digest{
	":", "sha256:", "sha256:abc", ":44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
	"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a0",
	"sha256:44136FA355B3678A1146AD16F7E8649E94FB4FC21FE77E8310C060F61CAAFF8A",
	"SHA256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
	"sha512:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
	"sha256:../../../../../../../../../../../../../../../../../../../../etc/pwd",
	"sha256:zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
	"md5:d41d8cd98f00b204e9800998ecf8427e", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
	"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a/..", "sha256:\x00", "a/b:c", "../..:/etc/passwd",
}

// dgst is well formed, so that what is not stands alone.
var dgst = digest.FromString("content")

func testMalformedRepository(e *env) {
	raw := e.image(e.repo, nil)
	for _, repo := range malformedRepositories {
		for what, err := range e.callAll(repo, "tag", dgst, raw) {
			e.wantErr(what+" in "+repo[:min(len(repo), 40)], err, orlop.ErrNameInvalid)
		}
	}
}

func testMalformedTag(e *env) {
	raw := e.image(e.repo, nil)
	for _, tag := range malformedTags {
		if e.Options.LooseNames && tag == "a/b" {
			continue
		}
		_, err := e.Resolve(e.Context(), e.repo, tag)
		e.wantErr("resolve "+tag, err, orlop.ErrTagInvalid)
		_, err = e.Manifest(e.Context(), e.repo, tag)
		e.wantErr("manifest "+tag, err, orlop.ErrTagInvalid)
		_, err = e.PushManifest(e.Context(), e.repo, "", raw, tag)
		e.wantErr("push "+tag, err, orlop.ErrTagInvalid)
		e.wantErr("delete "+tag, e.DeleteTag(e.Context(), e.repo, tag), orlop.ErrTagInvalid)
	}
	e.wantNoManifest(e.repo, string(digest.FromBytes(raw)))
}

func testMalformedDigest(e *env) {
	for _, d := range malformedDigests {
		if e.Options.LooseNames && d == "a/b:c" {
			continue
		}
		_, err := e.Resolve(e.Context(), e.repo, string(d))
		e.wantErr("resolve "+string(d), err, orlop.ErrDigestInvalid)
		_, err = e.Manifest(e.Context(), e.repo, string(d))
		e.wantErr("manifest "+string(d), err, orlop.ErrDigestInvalid)
		for what, err := range e.callByDigest(e.repo, d) {
			e.wantErr(what+" "+string(d), err, orlop.ErrDigestInvalid)
		}
	}
}

// callAll calls every method that takes a repository.
func (e *env) callAll(repo, tag string, dgst digest.Digest, raw []byte) map[string]error {
	errs := e.callByDigest(repo, dgst)
	_, errs["resolve"] = e.Resolve(e.Context(), repo, tag)
	_, errs["manifest"] = e.Manifest(e.Context(), repo, tag)
	_, errs["push manifest"] = e.PushManifest(e.Context(), repo, "", raw, tag)
	errs["delete tag"] = e.DeleteTag(e.Context(), repo, tag)
	errs["tags"] = firstErr(e.Tags(e.Context(), repo, ""))
	_, errs["upload"] = e.Upload(e.Context(), repo, "")
	_, errs["go on with an upload"] = e.Upload(e.Context(), repo, "unknown")
	return errs
}

// callByDigest calls every method that takes a digest.
func (e *env) callByDigest(repo string, dgst digest.Digest) map[string]error {
	errs := map[string]error{}
	_, errs["stat blob"] = e.StatBlob(e.Context(), repo, dgst)
	_, errs["open blob"] = e.OpenBlob(e.Context(), repo, dgst, 0, -1)
	desc := orlop.Descriptor{Digest: dgst, Size: 7}
	errs["push blob"] = e.PushBlob(e.Context(), repo, desc, bytes.NewReader([]byte("content")))
	errs["mount blob"] = e.MountBlob(e.Context(), repo, e.repo, dgst)
	errs["delete blob"] = e.DeleteBlob(e.Context(), repo, dgst)
	errs["delete manifest"] = e.DeleteManifest(e.Context(), repo, dgst)
	errs["referrers"] = firstErr(e.Referrers(e.Context(), repo, dgst, ""))
	return errs
}
