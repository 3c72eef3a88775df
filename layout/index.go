package layout

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// index is index.json as read at one time. It is not changed afterwards.
type index struct {
	stamp
	doc     ocispec.Index
	tags    map[string]orlop.Descriptor
	entries map[digest.Digest]orlop.Descriptor
}

// racy is the age below which a file may be changed again without its time
// telling.
const racy = time.Second

// currentIndex returns index.json, read again if it has changed.
func (r *Registry) currentIndex() (*index, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st, err := r.files.stat(ocispec.ImageIndexFile)
	if err != nil {
		return nil, err
	}
	if r.index != nil && r.index.stamp == st {
		return r.index, nil
	}
	index, err := readIndex(r.files, st)
	if err != nil {
		return nil, err
	}
	r.index = nil
	if time.Since(st.modified) > racy {
		r.index = index
	}
	return index, nil
}

// readIndex reads index.json. Entries without a good digest are an error:
// nothing could be done with them.
func readIndex(f files, st stamp) (*index, error) {
	raw, err := readAll(f, ocispec.ImageIndexFile, maxIndexFile)
	if err != nil {
		return nil, err
	}
	i := &index{stamp: st, tags: map[string]orlop.Descriptor{}, entries: map[digest.Digest]orlop.Descriptor{}}
	if err := json.Unmarshal(raw, &i.doc); err != nil {
		return nil, fmt.Errorf("%s: %w", ocispec.ImageIndexFile, err)
	}
	for _, entry := range i.doc.Manifests {
		if err := orlop.ValidateDigest(entry.Digest); err != nil {
			return nil, fmt.Errorf("%s: %w", ocispec.ImageIndexFile, err)
		}
		desc := orlop.Descriptor{MediaType: entry.MediaType, Digest: entry.Digest, Size: entry.Size}
		i.entries[entry.Digest] = desc
		if tag := entry.Annotations[ocispec.AnnotationRefName]; tag != "" {
			i.tags[tag] = desc
		}
	}
	return i, nil
}

// changeIndex changes the entries of index.json, under the lock. If change
// returns an error nothing is written.
func (r *Registry) changeIndex(ctx context.Context, change func([]orlop.Descriptor) ([]orlop.Descriptor, error)) error {
	return r.changeIndexAnd(ctx, change, func() error { return nil })
}

// changeIndexAnd is changeIndex and then, still under the lock, after.
func (r *Registry) changeIndexAnd(
	ctx context.Context, change func([]orlop.Descriptor) ([]orlop.Descriptor, error), after func() error,
) error {
	d, err := r.writable()
	if err != nil {
		return err
	}
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	current, err := readIndex(r.files, stamp{})
	if err != nil {
		return err
	}
	doc := current.doc
	if doc.Manifests, err = change(doc.Manifests); err != nil {
		return err
	}
	if doc.Manifests == nil {
		doc.Manifests = []orlop.Descriptor{} // it is required
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	if len(raw) > maxIndexFile {
		return fmt.Errorf("%s would have %d bytes: %w", ocispec.ImageIndexFile, len(raw), orlop.ErrTooLarge)
	}
	if err := d.write(ocispec.ImageIndexFile, raw); err != nil {
		return fmt.Errorf("write %s: %w", ocispec.ImageIndexFile, err)
	}
	return after()
}

// withTags returns entries in which the tags name desc, and desc has an entry
// even if there are none.
func withTags(entries []orlop.Descriptor, desc orlop.Descriptor, tags []string) []orlop.Descriptor {
	tags = slices.Compact(slices.Sorted(slices.Values(tags)))
	entries = withoutTags(entries, func(tag string, _ digest.Digest) bool { return slices.Contains(tags, tag) })
	if len(tags) == 0 {
		if slices.ContainsFunc(entries, func(e orlop.Descriptor) bool { return e.Digest == desc.Digest }) {
			return entries
		}
		return append(entries, desc)
	}
	entries = slices.DeleteFunc(entries, func(e orlop.Descriptor) bool {
		return e.Digest == desc.Digest && e.Annotations[ocispec.AnnotationRefName] == ""
	})
	for _, tag := range tags {
		entry := desc
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
