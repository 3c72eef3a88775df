package registrytest

import (
	"bytes"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

var uploadTests = []test{
	{"commit", testUploadCommit, nil},
	{"nothing", testUploadNothing, nil},
	{"sha512", testUploadSHA512, noSHA512},
	{"wrong digest leaves nothing", testUploadWrongDigest, nil},
	{"cancel leaves nothing", testUploadCancel, nil},
	{"resume", testUploadResume, noResume},
	{"unknown", testUploadUnknown, nil},
	{"belongs to its repository", testUploadRepository, func(o Options) bool { return o.OneRepository || o.NoResume }},
	{"two at once", testUploadTwo, nil},
}

func (e *env) upload(repo, id string) orlop.BlobWriter {
	e.Helper()
	w, err := e.Upload(e.Context(), repo, id)
	e.must("upload", err)
	e.Cleanup(func() { w.Close() }) // lest a failed test leave it open
	return w
}

func (e *env) write(w orlop.BlobWriter, b []byte) {
	e.Helper()
	before := w.Offset()
	n, err := w.Write(b)
	e.must("write", err)
	if n != len(b) || w.Offset() != before+int64(n) {
		e.Fatalf("wrote %d bytes of %d from %d; the offset is %d", n, len(b), before, w.Offset())
	}
}

func (e *env) commit(w orlop.BlobWriter, repo string, dgst digest.Digest, want []byte) {
	e.Helper()
	desc, err := w.Commit(e.Context(), dgst)
	e.must("commit", err)
	if desc.Digest != dgst || desc.Size != int64(len(want)) {
		e.Errorf("commit returned %s with %d bytes, want %s with %d", desc.Digest, desc.Size, dgst, len(want))
	}
	e.must("close after commit", w.Close())
	e.wantBlob(repo, dgst, want)
}

func testUploadCommit(e *env) {
	for _, size := range blobSizes {
		b := content(size)
		w := e.upload(e.repo, "")
		if w.ID() == "" || w.Offset() != 0 {
			e.Fatalf("new upload has id %q and offset %d", w.ID(), w.Offset())
		}
		for _, part := range [][]byte{b[:size/3], {}, b[size/3 : size/2], b[size/2:]} {
			e.write(w, part)
		}
		id := w.ID()
		e.commit(w, e.repo, digest.FromBytes(b), b)
		_, err := e.Upload(e.Context(), e.repo, id)
		e.wantErr("go on after commit", err, orlop.ErrUploadUnknown)
	}
}

func testUploadNothing(e *env) {
	e.commit(e.upload(e.repo, ""), e.repo, digest.FromString(""), nil)
}

func testUploadSHA512(e *env) {
	for _, size := range []int{0, 100, 1<<20 + 1} {
		b := content(size)
		w := e.upload(e.repo, "")
		e.write(w, b)
		e.commit(w, e.repo, digest.SHA512.FromBytes(b), b)
	}
}

func testUploadWrongDigest(e *env) {
	for _, size := range []int{1, 1 << 20} {
		b := content(size)
		w := e.upload(e.repo, "")
		e.write(w, b)
		_, err := w.Commit(e.Context(), digest.FromString("other"))
		e.wantErr("commit", err, orlop.ErrDigestInvalid)
		e.must("close", w.Close())
		e.wantNoBlob(e.repo, digest.FromString("other"))
		e.wantNoBlob(e.repo, digest.FromBytes(b))
	}
}

func testUploadCancel(e *env) {
	for _, size := range []int{0, 1, 1 << 20} {
		b := content(size)
		w := e.upload(e.repo, "")
		e.write(w, b)
		id := w.ID()
		e.must("cancel", w.Cancel(e.Context()))
		e.must("close after cancel", w.Close())
		e.wantNoBlob(e.repo, digest.FromBytes(b))
		_, err := e.Upload(e.Context(), e.repo, id)
		e.wantErr("go on after cancel", err, orlop.ErrUploadUnknown)
	}
}

func testUploadResume(e *env) {
	for _, size := range []int{3, 40 << 10, 3<<20 + 17} {
		b := content(size)
		w := e.upload(e.repo, "")
		for sent := 0; sent < size; {
			n := min(size-sent, size/3+1)
			e.write(w, b[sent:sent+n])
			sent += n
			e.must("close", w.Close())
			e.must("close again", w.Close())
			w = e.upload(e.repo, w.ID()) // which may have changed
			if w.Offset() != int64(sent) {
				e.Fatalf("went on at %d after %d bytes", w.Offset(), sent)
			}
		}
		e.wantNoBlob(e.repo, digest.FromBytes(b))
		e.commit(w, e.repo, digest.FromBytes(b), b)
	}
}

// hostileIDs are names of uploads that an implementation might put into a path
// or a query.
var hostileIDs = []string{
	"unknown", "../../../../etc/passwd", "..", ".", "/", "a/b", `a\b`, "%2e%2e", "a b", "a?b=c", "a#b",
	"'; drop table uploads; --",
	"\x00", "\r\nHost: evil", "00000000-0000-0000-0000-000000000000", strings.Repeat("a", 10000), "é", "*",
}

func testUploadUnknown(e *env) {
	for range 2 { // in an unknown repository, then in one that is there
		for _, id := range hostileIDs {
			w, err := e.Upload(e.Context(), e.repo, id)
			e.wantErr("upload "+id[:min(len(id), 40)], err, orlop.ErrUploadUnknown)
			if err == nil {
				e.must("close", w.Close())
			}
		}
		e.pushBlob(e.repo, []byte("present"))
	}
}

func testUploadRepository(e *env) {
	w := e.upload(e.repo, "")
	e.write(w, content(40<<10))
	e.must("close", w.Close())
	other := newName()
	e.pushBlob(other, []byte("present"))
	_, err := e.Upload(e.Context(), other, w.ID())
	e.wantErr("go on in another repository", err, orlop.ErrUploadUnknown)
	w = e.upload(e.repo, w.ID())
	e.commit(w, e.repo, digest.FromBytes(content(40<<10)), content(40<<10))
}

func testUploadTwo(e *env) {
	b := bytes.Repeat([]byte("same"), 20<<10)
	one, two := e.upload(e.repo, ""), e.upload(e.repo, "")
	if one.ID() == two.ID() {
		e.Fatalf("two uploads have the id %s", one.ID())
	}
	for one.Offset() < int64(len(b)) {
		part := b[one.Offset():][:8<<10]
		e.write(one, part)
		e.write(two, part)
	}
	e.commit(one, e.repo, digest.FromBytes(b), b)
	e.commit(two, e.repo, digest.FromBytes(b), b)
}
