package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// Resolve returns the descriptor of a manifest, with artifact type and
// annotations.
func (r *Registry) Resolve(_ context.Context, repo, reference string) (orlop.Descriptor, error) {
	m, err := r.find(repo, reference)
	return cloneDescriptor(m.Descriptor), err
}

// Manifest returns a manifest. The caller may change it.
func (r *Registry) Manifest(_ context.Context, repo, reference string) (orlop.Manifest, error) {
	m, err := r.find(repo, reference)
	return orlop.Manifest{Descriptor: cloneDescriptor(m.Descriptor), Raw: slices.Clone(m.Raw)}, err
}

func (r *Registry) find(name, reference string) (manifest, error) {
	if err := orlop.ValidateRepository(name); err != nil {
		return manifest{}, err
	}
	if err := orlop.ValidateReference(reference); err != nil {
		return manifest{}, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	repo, ok := r.repos[name]
	if !ok {
		return manifest{}, nameUnknown(name)
	}
	dgst, ok := repo.tags[reference]
	if !ok {
		dgst = digest.Digest(reference)
	}
	m, ok := repo.manifests[dgst]
	if !ok {
		return manifest{}, manifestUnknown(reference)
	}
	return m, nil
}

// PushManifest stores a manifest under its SHA-256 digest and makes the tags
// name it.
func (r *Registry) PushManifest(
	ctx context.Context, repo, mediaType string, raw []byte, tags ...string,
) (orlop.Descriptor, error) {
	return r.PushManifestDigest(ctx, repo, mediaType, digest.FromBytes(raw), raw, tags...)
}

// PushManifestDigest stores a manifest under a digest given; see
// orlop.DigestPusher.
func (r *Registry) PushManifestDigest(
	_ context.Context, repo, mediaType string, dgst digest.Digest, raw []byte, tags ...string,
) (orlop.Descriptor, error) {
	if err := check(repo, dgst); err != nil {
		return orlop.Descriptor{}, err
	}
	for _, tag := range tags {
		if err := orlop.ValidateTag(tag); err != nil {
			return orlop.Descriptor{}, err
		}
	}
	info, err := orlop.ParseManifest(mediaType, raw)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	if dgst.Algorithm().FromBytes(raw) != dgst {
		return orlop.Descriptor{}, orlop.ErrDigestInvalid
	}
	m := manifest{Manifest: orlop.Manifest{
		Descriptor: orlop.Descriptor{
			MediaType: info.MediaType, Digest: dgst, Size: int64(len(raw)),
			ArtifactType: info.ArtifactType, Annotations: info.Annotations,
		},
		Raw: slices.Clone(raw),
	}}
	if info.Subject != nil {
		m.subject = info.Subject.Digest
	}
	if err := r.put(repo, m, info, tags); err != nil {
		return orlop.Descriptor{}, err
	}
	return cloneDescriptor(m.Descriptor), nil
}

// put stores a manifest if its blobs are there.
func (r *Registry) put(name string, m manifest, info orlop.ManifestInfo, tags []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for blob := range info.Blobs() {
		content, ok := r.blob(name, blob.Digest)
		if !ok {
			return orlop.ErrManifestBlobUnknown.WithDetail(map[string]digest.Digest{"digest": blob.Digest})
		}
		if int64(len(content)) != blob.Size {
			return orlop.ErrManifestInvalid.With(fmt.Sprintf("blob %s has %d bytes, not %d", blob.Digest, len(content), blob.Size))
		}
	}
	repo := r.repo(name)
	repo.manifests[m.Descriptor.Digest] = m
	for _, tag := range tags {
		repo.tags[tag] = m.Descriptor.Digest
	}
	return nil
}

// DeleteManifest removes a manifest and the tags that name it.
func (r *Registry) DeleteManifest(_ context.Context, repo string, dgst digest.Digest) error {
	if err := check(repo, dgst); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	in, ok := r.repos[repo]
	if !ok {
		return manifestUnknown(string(dgst))
	}
	if _, ok := in.manifests[dgst]; !ok {
		return manifestUnknown(string(dgst))
	}
	delete(in.manifests, dgst)
	for tag, named := range in.tags {
		if named == dgst {
			delete(in.tags, tag)
		}
	}
	return nil
}

// DeleteTag removes a tag.
func (r *Registry) DeleteTag(_ context.Context, repo, tag string) error {
	if err := orlop.ValidateRepository(repo); err != nil {
		return err
	}
	if err := orlop.ValidateTag(tag); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	in, ok := r.repos[repo]
	if !ok {
		return manifestUnknown(tag)
	}
	if _, ok := in.tags[tag]; !ok {
		return manifestUnknown(tag)
	}
	delete(in.tags, tag)
	return nil
}
