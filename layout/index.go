package layout

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// index is index.json as read at one time. It is not changed afterwards.
type index struct {
	stamp
	doc ocispec.Index
	*names

	referrers map[digest.Digest][]orlop.Descriptor // by subject, once they were asked for; guarded by Registry.mu
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
	i := &index{stamp: st, names: newNames()}
	if err := json.Unmarshal(raw, &i.doc); err != nil {
		return nil, fmt.Errorf("%s: %w", ocispec.ImageIndexFile, err)
	}
	for _, entry := range i.doc.Manifests {
		if err := orlop.ValidateDigest(entry.Digest); err != nil {
			return nil, fmt.Errorf("%s: %w", ocispec.ImageIndexFile, err)
		}
		desc := orlop.Descriptor{MediaType: entry.MediaType, Digest: entry.Digest, Size: entry.Size}
		i.add(desc, nil)
		if tag := entry.Annotations[ocispec.AnnotationRefName]; tag != "" {
			i.tags[tag] = desc
		}
	}
	return i, nil
}

// changeIndex changes the entries of index.json, under the lock. If change
// returns an error nothing is written.
func (d *dir) changeIndex(ctx context.Context, change func([]orlop.Descriptor) ([]orlop.Descriptor, error)) error {
	return d.changeIndexAnd(ctx, change, func() error { return nil })
}

// changeIndexAnd is changeIndex and then, still under the lock, after.
func (d *dir) changeIndexAnd(
	ctx context.Context, change func([]orlop.Descriptor) ([]orlop.Descriptor, error), after func() error,
) error {
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	current, err := readIndex(d, stamp{})
	if err != nil {
		return err
	}
	doc := current.doc
	if doc.Manifests, err = change(doc.Manifests); err != nil {
		return err
	}
	raw, err := marshalIndex(doc)
	if err != nil {
		return err
	}
	if err := d.write(ocispec.ImageIndexFile, raw); err != nil {
		return fmt.Errorf("write %s: %w", ocispec.ImageIndexFile, err)
	}
	return after()
}

func marshalIndex(doc ocispec.Index) ([]byte, error) {
	if doc.Manifests == nil {
		doc.Manifests = []orlop.Descriptor{} // it is required
	}
	raw, err := json.Marshal(doc)
	if err == nil && len(raw) > maxIndexFile {
		err = fmt.Errorf("%s would have %d bytes: %w", ocispec.ImageIndexFile, len(raw), orlop.ErrTooLarge)
	}
	return raw, err
}

// emptyIndex is the index.json of a new layout.
func emptyIndex() ocispec.Index {
	empty := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex}
	empty.SchemaVersion = 2
	return empty
}

// find finds a manifest by a name or a digest in what was pushed or in
// index.json.
func (r *Registry) find(reference string) (orlop.Descriptor, bool, error) {
	index, err := r.currentIndex()
	if err != nil {
		return orlop.Descriptor{}, false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if desc, ok := r.pending.find(reference); ok {
		return desc, true, nil
	}
	desc, ok := index.find(reference)
	return desc, ok, nil
}

// entries are the entries that index.json has, and those it will have.
func (r *Registry) entries() ([]orlop.Descriptor, error) {
	index, err := r.currentIndex()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		return index.doc.Manifests, nil
	}
	return r.pending.merge(index.doc.Manifests), nil
}
