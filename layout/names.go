package layout

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// maxName is the length, in bytes, of the longest name.
const maxName = 512

var (
	// refName is the grammar of org.opencontainers.image.ref.name (image-spec,
	// annotations.md).
	refName = regexp.MustCompile(`^[A-Za-z0-9]+(?:(?:[-._:@+/]|--)[A-Za-z0-9]+)*$`)
	// digestLike is what is meant as a digest, right or wrong.
	digestLike = regexp.MustCompile(`^(?i:sha256:|sha512:)|^[a-z0-9]+:[0-9a-f]{32,}$`)
)

// ValidateName returns orlop.ErrTagInvalid unless a manifest can have the name
// in index.json: a tag, or what the image specification allows besides, such as
// "registry.example/app:v1". It has at most 512 bytes. A digest is no name.
func ValidateName(name string) error {
	if orlop.ValidateTag(name) == nil {
		return nil
	}
	isTag := !strings.ContainsAny(name, "/:@+") // no good one
	if isTag || len(name) > maxName || !refName.MatchString(name) || digestLike.MatchString(name) {
		return orlop.ErrTagInvalid.With(fmt.Sprintf("%.100q cannot be a name in a layout", name))
	}
	return nil
}

// validateReference is orlop.ValidateReference for names.
func validateReference(reference string) error {
	if ValidateName(reference) == nil {
		return nil
	}
	return orlop.ValidateReference(reference)
}

// names are manifests and what names them.
type names struct {
	tags    map[string]orlop.Descriptor
	entries map[digest.Digest]orlop.Descriptor // all, those with tags too
}

func newNames() *names {
	return &names{tags: map[string]orlop.Descriptor{}, entries: map[digest.Digest]orlop.Descriptor{}}
}

// add adds a manifest and makes the tags name it.
func (n *names) add(desc orlop.Descriptor, tags []string) {
	n.entries[desc.Digest] = desc
	for _, tag := range tags {
		n.tags[tag] = desc
	}
}

// find finds a manifest by a tag or its digest. A nil n is empty.
func (n *names) find(reference string) (orlop.Descriptor, bool) {
	if n == nil {
		return orlop.Descriptor{}, false
	}
	if desc, ok := n.tags[reference]; ok {
		return desc, true
	}
	desc, ok := n.entries[digest.Digest(reference)]
	return desc, ok
}

func (n *names) clone() *names {
	return &names{tags: maps.Clone(n.tags), entries: maps.Clone(n.entries)}
}

// remove removes what other has, unless it has changed.
func (n *names) remove(other *names) {
	for tag, desc := range other.tags {
		if n.tags[tag].Digest == desc.Digest {
			delete(n.tags, tag)
		}
	}
	for dgst := range other.entries {
		delete(n.entries, dgst)
	}
}

// keep removes the manifests that there does not know.
func (n *names) keep(there func(digest.Digest) bool) {
	maps.DeleteFunc(n.entries, func(dgst digest.Digest, _ orlop.Descriptor) bool { return !there(dgst) })
	maps.DeleteFunc(n.tags, func(_ string, desc orlop.Descriptor) bool { return !there(desc.Digest) })
}

// merge returns the entries of index.json with what n adds: every manifest has
// an entry, one for each of its tags or one without. What is added comes last,
// in the same order whatever the order of the pushes was.
func (n *names) merge(entries []orlop.Descriptor) []orlop.Descriptor {
	entries = withoutTags(entries, func(tag string, _ digest.Digest) bool {
		_, ok := n.tags[tag]
		return ok
	})
	has := map[digest.Digest]bool{}
	for _, desc := range n.tags {
		has[desc.Digest] = true
	}
	entries = slices.DeleteFunc(entries, func(e orlop.Descriptor) bool {
		return has[e.Digest] && e.Annotations[ocispec.AnnotationRefName] == ""
	})
	for _, e := range entries {
		has[e.Digest] = true
	}
	for _, dgst := range slices.Sorted(maps.Keys(n.entries)) {
		if !has[dgst] {
			entries = append(entries, n.entries[dgst])
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(n.tags)) {
		entry := n.tags[tag]
		entry.Annotations = map[string]string{ocispec.AnnotationRefName: tag}
		entries = append(entries, entry)
	}
	return entries
}

// withoutTags returns entries without the tags that drop selects. A manifest
// that loses its last tag keeps an entry.
func withoutTags(entries []orlop.Descriptor, drop func(tag string, dgst digest.Digest) bool) []orlop.Descriptor {
	left := map[digest.Digest]int{}
	for _, e := range entries {
		left[e.Digest]++
	}
	var kept []orlop.Descriptor
	for _, e := range entries {
		tag := e.Annotations[ocispec.AnnotationRefName]
		if tag != "" && drop(tag, e.Digest) {
			if left[e.Digest] > 1 {
				left[e.Digest]--
				continue
			}
			e.Annotations = maps.Clone(e.Annotations)
			delete(e.Annotations, ocispec.AnnotationRefName)
		}
		kept = append(kept, e)
	}
	return kept
}

// unknownReference is the error for a name or digest that is not there.
func unknownReference(reference string) error {
	return orlop.ErrManifestUnknown.WithDetail(map[string]string{"reference": strings.ToValidUTF8(reference, "")})
}
