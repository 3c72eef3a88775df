package registrytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

var listTests = []test{
	{"tags in byte order", testListTags, nil},
	{"tags of an absent repository", testListTagsUnknown, oneRepository},
	{"many tags", testListManyTags, nil},
	{"repositories in byte order", testListRepositories, oneRepository},
}

func (e *env) wantList(what string, got, want []string) {
	e.Helper()
	if !slices.Equal(got, want) {
		e.Errorf("%s: %q, want %q", what, got, want)
	}
}

// afters are where a listing of names is begun: at each name, and beside it.
func afters(names []string) []string {
	list := []string{""}
	for _, name := range names {
		list = append(list, name[:len(name)-1], name, name+"-", name+"0")
	}
	return list
}

func testListTags(e *env) {
	tags := []string{"0", "1.0", "1.0-rc", "1.0.1", "10", "A", "Z", "_", "_a", "a", "a-b", "a.b", "a0b", "aA", "a_b", "aa", "z"}
	e.pushImage(e.repo, "image", reversed(tags)...)
	for _, after := range afters(tags) {
		i, found := slices.BinarySearch(tags, after)
		if found {
			i++
		}
		e.wantList("tags after "+after, collect(e, e.Tags(e.Context(), e.repo, after)), tags[i:])
	}
	for tag, err := range e.Tags(e.Context(), e.repo, "") {
		e.must("list", err)
		if tag != "0" {
			e.Errorf("the first tag is %q", tag)
		}
		break // which the listing must bear
	}
}

func testListTagsUnknown(e *env) {
	e.wantErr("tags", firstErr(e.Tags(e.Context(), e.repo, "")), orlop.ErrNameUnknown)
	e.wantErr("tags", firstErr(e.Tags(e.Context(), e.repo, "after")), orlop.ErrNameUnknown)
}

func testListManyTags(e *env) {
	var tags []string
	for i := range 1234 { // more than a page of any registry
		tags = append(tags, fmt.Sprintf("tag-%04d", i))
	}
	for part := range slices.Chunk(tags, 100) {
		e.pushImage(e.repo, "image", part...)
	}
	e.wantList("all", collect(e, e.Tags(e.Context(), e.repo, "")), tags)
	e.wantList("after one", collect(e, e.Tags(e.Context(), e.repo, "tag-0999")), tags[1000:])
}

func testListRepositories(e *env) {
	var names []string
	for _, end := range []string{"", "-a", ".a", "/a", "/a-b", "/a/b", "/ab", "0", "_a", "a"} {
		names = append(names, e.repo+end)
		e.pushImage(e.repo+end, "image", "tag")
	}
	for _, after := range afters(names)[1:] {
		var got []string
		for _, name := range collect(e, e.Repositories(e.Context(), after)) {
			if strings.HasPrefix(name, e.repo) { // others may be there
				got = append(got, name)
			}
		}
		i, found := slices.BinarySearch(names, after)
		if found {
			i++
		}
		e.wantList("repositories after "+after, got, names[i:])
	}
	all := collect(e, e.Repositories(e.Context(), ""))
	if !slices.IsSorted(all) || !slices.Contains(all, e.repo) {
		e.Errorf("repositories: %q", all)
	}
	for _, err := range e.Repositories(e.Context(), "") {
		e.must("list", err)
		break
	}
}

var referrerTests = []test{
	{"before and after the subject", testReferrers, nil},
	{"filter", testReferrersFilter, nil},
	{"none", testReferrersNone, nil},
	{"many", testReferrersMany, nil},
	{"belong to their repository", testReferrersRepository, oneRepository},
}

// refer pushes a manifest that refers to subject.
func (e *env) refer(subject orlop.Descriptor, artifactType, name string) orlop.Descriptor {
	e.Helper()
	return e.pushManifest(e.repo, e.image(e.repo, func(m *ocispec.Manifest) {
		m.ArtifactType, m.Subject, m.Annotations = artifactType, &subject, map[string]string{"name": name}
	}))
}

// wantReferrers checks the referrers of a subject, in any order.
func (e *env) wantReferrers(subject digest.Digest, artifactType string, want ...orlop.Descriptor) {
	e.Helper()
	line := func(d orlop.Descriptor) string {
		return fmt.Sprintf("%s %s %d %s %v", d.Digest, d.MediaType, d.Size, d.ArtifactType, d.Annotations)
	}
	var got, lines []string
	for _, d := range collect(e, e.Referrers(e.Context(), e.repo, subject, artifactType)) {
		got = append(got, line(d))
	}
	for _, d := range want {
		lines = append(lines, line(d))
	}
	slices.Sort(got)
	slices.Sort(lines)
	if !slices.Equal(got, lines) {
		e.Errorf("referrers of %s with type %q:\n%s\nwant:\n%s",
			subject, artifactType, strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

func testReferrers(e *env) {
	raw := e.image(e.repo, nil)
	subject := orlop.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	early := e.refer(subject, "application/vnd.example.sbom", "early")
	e.wantReferrers(subject.Digest, "", early)
	e.pushManifest(e.repo, raw, "tag")
	late := e.refer(subject, "", "late") // its type is that of its configuration
	if late.ArtifactType != "application/vnd.example.config" {
		e.Errorf("artifact type %q", late.ArtifactType)
	}
	index := e.pushManifest(e.repo, e.json(map[string]any{
		"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "manifests": []any{}, "subject": subject,
	}))
	e.wantReferrers(subject.Digest, "", early, late, index)
	of := e.refer(early, "application/vnd.example.signature", "of a referrer")
	e.wantReferrers(early.Digest, "", of)
	e.wantReferrers(subject.Digest, "", early, late, index)
}

func testReferrersFilter(e *env) {
	subject := e.pushImage(e.repo, "subject")
	a, b := e.refer(subject, "application/a", "a"), e.refer(subject, "application/b+json", "b")
	e.wantReferrers(subject.Digest, "application/a", a)
	e.wantReferrers(subject.Digest, "application/b+json", b)
	e.wantReferrers(subject.Digest, "application/c")
	e.wantReferrers(subject.Digest, "application/A")
	e.wantReferrers(subject.Digest, "application/%")
	e.wantReferrers(subject.Digest, "", a, b)
}

func testReferrersNone(e *env) {
	subject := e.pushImage(e.repo, "subject")
	e.wantReferrers(subject.Digest, "")
	e.wantReferrers(digest.FromString("unknown"), "")
	e.wantReferrers(digest.FromString("unknown"), "application/a")
}

func testReferrersMany(e *env) {
	subject := e.pushImage(e.repo, "subject")
	var want []orlop.Descriptor
	for i := range 250 {
		raw := e.json(map[string]any{
			"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "manifests": []any{}, "subject": subject,
			"artifactType": "application/a", "annotations": map[string]string{"n": fmt.Sprint(i)},
		})
		want = append(want, e.pushManifest(e.repo, raw))
	}
	e.wantReferrers(subject.Digest, "", want...)
	e.wantReferrers(subject.Digest, "application/a", want...)
	for _, err := range e.Referrers(e.Context(), e.repo, subject.Digest, "") {
		e.must("list", err)
		break
	}
}

func testReferrersRepository(e *env) {
	subject := e.pushImage(e.repo, "subject")
	want := e.refer(subject, "application/a", "mine")
	other := newName()
	e.pushImage(other, "subject")
	if got := collect(e, e.Referrers(e.Context(), other, subject.Digest, "")); len(got) != 0 {
		e.Errorf("another repository lists %v", got)
	}
	e.wantReferrers(subject.Digest, "", want)
}

func reversed(names []string) []string {
	names = slices.Clone(names)
	slices.Reverse(names)
	return names
}
