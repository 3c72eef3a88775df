package registrytest

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

var deleteTests = []test{
	{"tag", testDeleteTag, noDelete},
	{"manifest", testDeleteManifest, noDelete},
	{"blob", testDeleteBlob, noDelete},
	{"referrer and subject", testDeleteReferrer, noDelete},
	{"absent", testDeleteAbsent, noDelete},
	{"in one repository", testDeleteRepository, func(o Options) bool { return o.NoDelete || o.OneRepository }},
}

func testDeleteTag(e *env) {
	desc := e.pushImage(e.repo, "image", "a", "b")
	e.must("delete tag", e.DeleteTag(e.Context(), e.repo, "a"))
	e.wantNoManifest(e.repo, "a")
	e.wantManifest(e.repo, "b", desc, nil)
	e.wantErr("delete again", e.DeleteTag(e.Context(), e.repo, "a"), orlop.ErrManifestUnknown)
	e.must("delete the last tag", e.DeleteTag(e.Context(), e.repo, "b"))
	e.wantManifest(e.repo, string(desc.Digest), desc, nil)
	e.wantList("tags", collect(e, e.Tags(e.Context(), e.repo, "")), nil)
	e.pushImage(e.repo, "image", "a")
	e.wantManifest(e.repo, "a", desc, nil)
}

func testDeleteManifest(e *env) {
	gone, kept := e.pushImage(e.repo, "gone", "a", "b"), e.pushImage(e.repo, "kept", "c")
	e.must("delete", e.DeleteManifest(e.Context(), e.repo, gone.Digest))
	for _, reference := range []string{"a", "b", string(gone.Digest)} {
		e.wantNoManifest(e.repo, reference)
	}
	e.wantErr("delete again", e.DeleteManifest(e.Context(), e.repo, gone.Digest), orlop.ErrManifestUnknown)
	e.wantManifest(e.repo, "c", kept, nil)
	e.wantList("tags", collect(e, e.Tags(e.Context(), e.repo, "")), []string{"c"})
	e.pushImage(e.repo, "gone", "b")
	e.wantManifest(e.repo, "b", gone, nil)
	e.wantNoManifest(e.repo, "a")
}

func testDeleteBlob(e *env) {
	for _, size := range []int{0, 100, 1<<20 + 1} {
		b := content(size)
		desc := e.pushBlob(e.repo, b)
		e.must("delete", e.DeleteBlob(e.Context(), e.repo, desc.Digest))
		e.wantNoBlob(e.repo, desc.Digest)
		e.wantErr("delete again", e.DeleteBlob(e.Context(), e.repo, desc.Digest), orlop.ErrBlobUnknown)
		e.pushBlob(e.repo, b)
		e.wantBlob(e.repo, desc.Digest, b)
	}
}

func testDeleteReferrer(e *env) {
	subject := e.pushImage(e.repo, "subject", "tag")
	refer := func(name string) orlop.Descriptor {
		return e.pushManifest(e.repo, e.image(e.repo, func(m *ocispec.Manifest) {
			m.Subject, m.Annotations = &subject, map[string]string{"name": name}
		}))
	}
	one, two := refer("one"), refer("two")
	e.pushManifest(e.repo, e.image(e.repo, func(m *ocispec.Manifest) {
		m.Subject, m.Annotations = &subject, map[string]string{"name": "two"}
	}), "two")
	e.must("delete its tag", e.DeleteTag(e.Context(), e.repo, "two"))
	e.wantReferrers(subject.Digest, "", one, two)
	e.must("delete", e.DeleteManifest(e.Context(), e.repo, one.Digest))
	e.wantReferrers(subject.Digest, "", two)
	e.must("delete the subject", e.DeleteManifest(e.Context(), e.repo, subject.Digest))
	e.wantManifest(e.repo, string(two.Digest), two, nil)
}

func testDeleteAbsent(e *env) {
	absent := digest.FromString("absent")
	unknown := []error{orlop.ErrManifestUnknown, orlop.ErrNameUnknown}
	for range 2 { // in an unknown repository, then in one that is there
		e.wantErr("delete tag", e.DeleteTag(e.Context(), e.repo, "absent"), unknown...)
		e.wantErr("delete manifest", e.DeleteManifest(e.Context(), e.repo, absent), unknown...)
		e.wantErr("delete blob", e.DeleteBlob(e.Context(), e.repo, absent), orlop.ErrBlobUnknown, orlop.ErrNameUnknown)
		e.pushImage(e.repo, "present", "present")
		unknown = unknown[:1]
	}
}

func testDeleteRepository(e *env) {
	other := newName()
	mine := e.pushImage(e.repo, "image", "tag")
	e.pushImage(other, "image", "tag")
	e.must("delete", e.DeleteManifest(e.Context(), other, mine.Digest))
	e.must("delete", e.DeleteBlob(e.Context(), other, digest.FromString("a layer")))
	e.wantManifest(e.repo, "tag", mine, nil)
	e.wantBlob(e.repo, digest.FromString("a layer"), []byte("a layer"))
	e.wantNoBlob(other, digest.FromString("a layer"))
	e.wantNoManifest(other, "tag")
}
