package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// maxManifests bounds what a hostile layout can make Referrers read.
const maxManifests = 100_000

// Repositories fails: a layout holds one repository that has no name.
func (r *Registry) Repositories(context.Context, string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		yield("", orlop.ErrUnsupported.With("a layout has no repositories"))
	}
}

// Tags lists the names in index.json, in byte order. Those that others wrote
// need not be tags.
func (r *Registry) Tags(_ context.Context, repo, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := checkName(repo); err != nil {
			yield("", err)
			return
		}
		entries, err := r.entries()
		if err != nil {
			yield("", err)
			return
		}
		var tags []string
		for _, e := range entries {
			if tag := e.Annotations[ocispec.AnnotationRefName]; tag > after {
				tags = append(tags, tag)
			}
		}
		slices.Sort(tags)
		for _, tag := range slices.Compact(tags) {
			if !yield(tag, nil) {
				return
			}
		}
	}
}

// parsed is what Referrers needs to know of a manifest.
type parsed struct {
	desc     orlop.Descriptor // with artifact type and annotations
	subject  digest.Digest    // "" if none
	children []orlop.Descriptor
}

// Referrers lists the manifests whose subject is dgst. Every manifest of the
// layout is read the first time.
func (r *Registry) Referrers(
	ctx context.Context, repo string, dgst digest.Digest, artifactType string,
) iter.Seq2[orlop.Descriptor, error] {
	return func(yield func(orlop.Descriptor, error) bool) {
		if err := check(repo, dgst); err != nil {
			yield(orlop.Descriptor{}, err)
			return
		}
		descs, err := r.referrers(ctx, dgst, artifactType)
		if err != nil {
			yield(orlop.Descriptor{}, err)
			return
		}
		for _, desc := range descs {
			if !yield(desc, nil) {
				return
			}
		}
	}
}

func (r *Registry) referrers(ctx context.Context, subject digest.Digest, artifactType string) ([]orlop.Descriptor, error) {
	all, err := r.bySubject(ctx)
	if err != nil {
		return nil, err
	}
	var found []orlop.Descriptor
	for _, desc := range all[subject] {
		if artifactType != "" && desc.ArtifactType != artifactType {
			continue
		}
		switch _, err := r.files.stat(blobPath(desc.Digest)); {
		case err == nil:
			found = append(found, desc)
		case !errors.Is(err, fs.ErrNotExist): // an index may be sparse
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b orlop.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	return found, nil
}

// bySubject returns all manifests that have a subject. For one version of
// index.json they are looked for once.
func (r *Registry) bySubject(ctx context.Context) (map[digest.Digest][]orlop.Descriptor, error) {
	index, err := r.currentIndex()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	entries, known := index.doc.Manifests, index.referrers
	if r.pending != nil {
		entries, known = r.pending.merge(entries), nil
	}
	r.mu.Unlock()
	if known != nil {
		return known, nil
	}
	all := map[digest.Digest][]orlop.Descriptor{}
	err = r.walk(ctx, entries, func(desc orlop.Descriptor) ([]orlop.Descriptor, error) {
		p, err := r.parse(desc)
		if p.subject != "" {
			all[p.subject] = append(all[p.subject], p.desc)
		}
		return p.children, err
	})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		index.referrers = all
	}
	return all, nil
}

// walk visits manifests and what visit says is below them, each once. Those
// that visit says are unknown are passed over: an index may be sparse.
func (r *Registry) walk(
	ctx context.Context, entries []orlop.Descriptor, visit func(orlop.Descriptor) ([]orlop.Descriptor, error),
) error {
	seen := map[digest.Digest]bool{}
	next := slices.Clone(entries)
	for len(next) > 0 {
		desc := next[len(next)-1]
		next = next[:len(next)-1]
		if seen[desc.Digest] {
			continue
		}
		seen[desc.Digest] = true
		if len(seen) > maxManifests {
			return fmt.Errorf("layout of more than %d manifests: %w", maxManifests, orlop.ErrTooLarge)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		children, err := visit(desc)
		if err != nil && !errors.Is(err, orlop.ErrManifestUnknown) {
			return err
		}
		next = append(next, children...)
	}
	return nil
}

// parse reads a manifest, once. One that cannot be understood refers to
// nothing.
func (r *Registry) parse(desc orlop.Descriptor) (parsed, error) {
	r.mu.Lock()
	p, ok := r.parsed[desc.Digest]
	r.mu.Unlock()
	if ok {
		if _, err := r.files.stat(blobPath(desc.Digest)); err != nil {
			return parsed{}, unknown(err, orlop.ErrManifestUnknown, desc.Digest)
		}
		return p, nil
	}
	raw, err := r.readManifest(desc.Digest)
	if err != nil {
		return parsed{}, err
	}
	if info, err := orlop.ParseManifest(desc.MediaType, raw); err == nil {
		p.desc = orlop.Descriptor{
			MediaType: info.MediaType, Digest: desc.Digest, Size: int64(len(raw)),
			ArtifactType: info.ArtifactType, Annotations: info.Annotations,
		}
		if info.Subject != nil {
			p.subject = info.Subject.Digest
		}
		p.children = info.Children
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parsed[desc.Digest] = p
	return p, nil
}
