package registrytest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing/iotest"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

var blobTests = []test{
	{"push and read", testBlobPush, nil},
	{"push again", testBlobPushAgain, nil},
	{"wrong digest leaves nothing", testBlobWrongDigest, nil},
	{"wrong size leaves nothing", testBlobWrongSize, nil},
	{"broken content leaves nothing", testBlobBroken, nil},
	{"unknown", testBlobUnknown, nil},
	{"sha512", testBlobSHA512, noSHA512},
	{"belongs to its repository", testBlobRepository, oneRepository},
	{"mount", testBlobMount, func(o Options) bool { return o.NoMount || o.OneRepository }},
	{"mount what is absent", testBlobMountAbsent, nil},
	{"push or mount", testBlobPushOrMount, oneRepository},
}

// blobSizes are those at which implementations change their ways: nothing, a
// database instead of a file, a piece, several pieces.
var blobSizes = []int{0, 1, 2, 32<<10 - 1, 32 << 10, 32<<10 + 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3<<20 + 17}

func testBlobPush(e *env) {
	for _, size := range blobSizes {
		b := content(size)
		desc := e.pushBlob(e.repo, b)
		e.wantBlob(e.repo, desc.Digest, b)
		r, err := e.OpenBlob(e.Context(), e.repo, desc.Digest, 0, -1)
		e.must("open blob", err)
		if d := r.Descriptor(); d.Digest != desc.Digest || d.Size != desc.Size {
			e.Errorf("reader describes %s with %d bytes, want %s with %d", d.Digest, d.Size, desc.Digest, desc.Size)
		}
		e.must("close unread", r.Close())
	}
}

func testBlobPushAgain(e *env) {
	for range 3 {
		desc := e.pushBlob(e.repo, []byte("again"))
		e.wantBlob(e.repo, desc.Digest, []byte("again"))
	}
}

func testBlobWrongDigest(e *env) {
	for _, size := range []int{1, 1 << 10, 2 << 20} {
		b := content(size)
		desc := describe(b)
		b[size/2] ^= 1
		err := e.PushBlob(e.Context(), e.repo, desc, bytes.NewReader(b))
		e.wantErr("push", err, orlop.ErrDigestInvalid)
		e.wantNoBlob(e.repo, desc.Digest)
		e.wantNoBlob(e.repo, digest.FromBytes(b))
	}
}

func testBlobWrongSize(e *env) {
	b := content(40 << 10)
	for _, diff := range []int64{1, 1 << 20, -1, -(40 << 10)} {
		desc := describe(b)
		desc.Size += diff
		err := e.PushBlob(e.Context(), e.repo, desc, bytes.NewReader(b))
		e.wantErr(fmt.Sprintf("push with size off by %d", diff), err, orlop.ErrSizeInvalid, orlop.ErrDigestInvalid)
		e.wantNoBlob(e.repo, desc.Digest)
		e.wantNoBlob(e.repo, digest.FromBytes(b[:min(int64(len(b)), desc.Size)]))
	}
	desc := describe(b)
	desc.Size = -1
	if err := e.PushBlob(e.Context(), e.repo, desc, bytes.NewReader(b)); err == nil {
		e.Error("a blob of -1 bytes was taken")
	}
	e.wantNoBlob(e.repo, desc.Digest)
}

func testBlobBroken(e *env) {
	for _, at := range []int{0, 1, 40 << 10, 2 << 20} {
		b := content(3 << 20)
		broken := io.MultiReader(bytes.NewReader(b[:at]), iotest.ErrReader(errors.New("cable cut")))
		if err := e.PushBlob(e.Context(), e.repo, describe(b), broken); err == nil {
			e.Errorf("a blob whose content broke off after %d bytes was taken", at)
		}
		e.wantNoBlob(e.repo, describe(b).Digest)
	}
	desc := e.pushBlob(e.repo, content(3<<20)) // and then in one piece
	e.wantBlob(e.repo, desc.Digest, content(3<<20))
}

func testBlobUnknown(e *env) {
	e.wantNoBlob(e.repo, digest.FromString("unknown")) // in an unknown repository
	e.pushBlob(e.repo, []byte("known"))
	e.wantNoBlob(e.repo, digest.FromString("unknown"))
}

func testBlobSHA512(e *env) {
	for _, size := range []int{0, 100, 1<<20 + 1} {
		b := content(size)
		desc := describe(b)
		desc.Digest = digest.SHA512.FromBytes(b)
		e.must("push", e.PushBlob(e.Context(), e.repo, desc, bytes.NewReader(b)))
		e.wantBlob(e.repo, desc.Digest, b)
	}
	wrong := describe([]byte("right"))
	wrong.Digest = digest.SHA512.FromString("right")
	err := e.PushBlob(e.Context(), e.repo, wrong, strings.NewReader("wrong"))
	e.wantErr("push wrong content", err, orlop.ErrDigestInvalid)
	e.wantNoBlob(e.repo, wrong.Digest)
}

func testBlobRepository(e *env) {
	desc := e.pushBlob(e.repo, []byte("mine"))
	other := newName()
	e.wantNoBlob(other, desc.Digest)
	e.pushBlob(other, []byte("something else"))
	e.wantNoBlob(other, desc.Digest)
}

func testBlobMount(e *env) {
	for _, size := range []int{0, 100, 1<<20 + 1} {
		b := content(size)
		desc := e.pushBlob(e.repo, b)
		other := newName()
		e.must("mount", e.MountBlob(e.Context(), other, e.repo, desc.Digest))
		e.wantBlob(other, desc.Digest, b)
		e.must("mount again", e.MountBlob(e.Context(), other, e.repo, desc.Digest))
		if !e.Options.NoDelete {
			e.must("delete", e.DeleteBlob(e.Context(), e.repo, desc.Digest))
			e.wantBlob(other, desc.Digest, b)
		}
	}
}

func testBlobMountAbsent(e *env) {
	absent := digest.FromString("absent")
	e.wantErr("mount", e.MountBlob(e.Context(), newName(), newName(), absent), orlop.ErrBlobUnknown)
	e.pushBlob(e.repo, []byte("present"))
	other := newName()
	e.wantErr("mount", e.MountBlob(e.Context(), other, e.repo, absent), orlop.ErrBlobUnknown)
	e.wantNoBlob(other, absent)
}

func testBlobPushOrMount(e *env) {
	pusher, ok := e.Registry.(orlop.MountPusher)
	if !ok {
		e.Skip("the implementation is no orlop.MountPusher")
	}
	for _, size := range []int{0, 10, 64 << 10, 64<<10 + 1, 1 << 20} {
		b := content(size)
		desc := e.pushBlob(e.repo, b)
		for what, from := range map[string]string{"where it is": e.repo, "where it is not": newName(), "anywhere": ""} {
			other := newName()
			mounted, err := pusher.PushOrMount(e.Context(), other, from, desc, bytes.NewReader(b))
			e.must("push or mount from "+what, err)
			e.wantBlob(other, desc.Digest, b)
			if from == e.repo && !mounted && !e.Options.NoMount {
				e.Errorf("a blob of %d bytes was sent, not mounted", size)
			}
		}
	}
	other, wrong := newName(), describe([]byte("what is not sent"))
	_, err := pusher.PushOrMount(e.Context(), other, e.repo, wrong, bytes.NewReader([]byte("what is: sent...")))
	e.wantErr("wrong content", err, orlop.ErrDigestInvalid)
	e.wantNoBlob(other, wrong.Digest)
}

var rangeTests = []test{
	{"edges", testRangeEdges, nil},
	{"of a blob of several pieces", testRangePieces, nil},
	{"outside", testRangeOutside, nil},
}

func testRangeEdges(e *env) {
	for _, size := range []int{0, 1, 10} {
		b := content(size)
		desc := e.pushBlob(e.repo, b)
		for off := range size + 1 {
			for _, n := range []int{-1, 0, 1, 2, size - off, size + 1, 1 << 40} {
				e.checkRange(desc, b, off, n)
			}
		}
	}
}

func testRangePieces(e *env) {
	b := content(3<<20 + 17)
	desc := e.pushBlob(e.repo, b)
	for _, off := range []int{0, 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 2<<20 - 5, 3 << 20, len(b) - 1, len(b)} {
		for _, n := range []int{-1, 0, 1, 10, 1 << 20, 1<<20 + 1} {
			e.checkRange(desc, b, off, n)
		}
	}
}

func (e *env) checkRange(desc orlop.Descriptor, b []byte, off, n int) {
	e.Helper()
	want := b[off:]
	if n >= 0 && n < len(want) {
		want = want[:n]
	}
	if got := e.read(e.repo, desc.Digest, int64(off), int64(n)); !bytes.Equal(got, want) {
		e.Errorf("blob of %d bytes, %d from %d: read %d bytes that are not the %d wanted", len(b), n, off, len(got), len(want))
	}
	r, err := e.OpenBlob(e.Context(), e.repo, desc.Digest, int64(off), int64(n))
	e.must("open blob", err)
	if d := r.Descriptor(); d.Digest != desc.Digest || d.Size != desc.Size {
		e.Errorf("range %d from %d describes %s with %d bytes, not the whole blob", n, off, d.Digest, d.Size)
	}
	e.must("close unread", r.Close())
}

func testRangeOutside(e *env) {
	desc := e.pushBlob(e.repo, content(10))
	for _, off := range []int64{-1, -1 << 62, 11, 1 << 62} {
		for _, n := range []int64{-1, 0, 5} {
			r, err := e.OpenBlob(e.Context(), e.repo, desc.Digest, off, n)
			e.wantErr(fmt.Sprintf("%d from %d", n, off), err, orlop.ErrRangeInvalid)
			if err == nil {
				e.must("close", r.Close())
			}
		}
	}
	_, err := e.OpenBlob(e.Context(), e.repo, digest.FromString("unknown"), 5, 5)
	e.wantErr("range of an unknown blob", err, orlop.ErrBlobUnknown)
}
