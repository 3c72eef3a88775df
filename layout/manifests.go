package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
)

// Resolve returns the descriptor of a manifest. A reference that index.json has
// as a name is that, even if it could not be a tag of a registry, such as
// "docker.io/library/alpine:3".
func (r *Registry) Resolve(ctx context.Context, repo, reference string) (orlop.Descriptor, error) {
	if err := checkName(repo); err != nil {
		return orlop.Descriptor{}, err
	}
	if desc, ok, err := r.find(reference); ok || err != nil {
		return desc, err
	}
	dgst := digest.Digest(reference)
	if orlop.ValidateDigest(dgst) != nil {
		if err := validateReference(reference); err != nil {
			return orlop.Descriptor{}, err
		}
		return orlop.Descriptor{}, unknownReference(reference)
	}
	m, err := r.unlisted(dgst)
	return m.Descriptor, err
}

// Manifest returns a manifest.
func (r *Registry) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	desc, err := r.Resolve(ctx, repo, reference)
	if err != nil {
		return orlop.Manifest{}, err
	}
	raw, err := r.readManifest(desc.Digest)
	if err != nil {
		return orlop.Manifest{}, err
	}
	if int64(len(raw)) != desc.Size {
		return orlop.Manifest{}, fmt.Errorf("manifest %s: index.json gives another size: %w", desc.Digest, orlop.ErrDamaged)
	}
	return orlop.Manifest{Descriptor: desc, Raw: raw}, nil
}

// readManifest reads and checks the content of a manifest.
func (r *Registry) readManifest(dgst digest.Digest) ([]byte, error) {
	raw, err := readAll(r.files, blobPath(dgst), orlop.MaxManifestSize)
	if err != nil {
		return nil, unknown(err, orlop.ErrManifestUnknown, dgst)
	}
	if dgst.Algorithm().FromBytes(raw) != dgst {
		return nil, fmt.Errorf("manifest %s: %w", dgst, orlop.ErrDamaged)
	}
	return raw, nil
}

// unlisted returns a manifest that index.json does not name: one below an
// index. What a blob is shows in the content.
func (r *Registry) unlisted(dgst digest.Digest) (orlop.Manifest, error) {
	raw, err := r.readManifest(dgst)
	if errors.Is(err, orlop.ErrTooLarge) {
		return orlop.Manifest{}, orlop.ErrManifestUnknown
	}
	if err != nil {
		return orlop.Manifest{}, err
	}
	for _, mediaType := range []string{"", ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex} {
		info, err := orlop.ParseManifest(mediaType, raw)
		if err == nil {
			desc := orlop.Descriptor{MediaType: info.MediaType, Digest: dgst, Size: int64(len(raw))}
			return orlop.Manifest{Descriptor: desc, Raw: raw}, nil
		}
	}
	return orlop.Manifest{}, orlop.ErrManifestUnknown.With("the blob is not a manifest")
}

// PushManifest stores a manifest under its SHA-256 digest and makes the tags
// name it. They need not be tags; see ValidateName.
func (r *Registry) PushManifest(
	ctx context.Context, repo, mediaType string, raw []byte, tags ...string,
) (orlop.Descriptor, error) {
	return r.PushManifestDigest(ctx, repo, mediaType, digest.FromBytes(raw), raw, tags...)
}

// PushManifestDigest stores a manifest under a digest given; see
// orlop.DigestPusher.
func (r *Registry) PushManifestDigest(
	ctx context.Context, repo, mediaType string, dgst digest.Digest, raw []byte, tags ...string,
) (orlop.Descriptor, error) {
	if err := check(repo, dgst); err != nil {
		return orlop.Descriptor{}, err
	}
	for _, tag := range tags {
		if err := ValidateName(tag); err != nil {
			return orlop.Descriptor{}, err
		}
	}
	info, err := orlop.ParseManifest(mediaType, raw)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	desc := orlop.Descriptor{MediaType: info.MediaType, Digest: dgst, Size: int64(len(raw)), ArtifactType: info.ArtifactType}
	if err := r.putManifest(ctx, desc, info, raw, tags); err != nil {
		return orlop.Descriptor{}, fmt.Errorf("push manifest %s: %w", dgst, err)
	}
	desc.Annotations = info.Annotations
	return desc, nil
}

func (r *Registry) putManifest(
	ctx context.Context, desc orlop.Descriptor, info orlop.ManifestInfo, raw []byte, tags []string,
) error {
	s, err := r.writable()
	if err != nil {
		return err
	}
	if err := r.checkBlobs(ctx, info); err != nil {
		return err
	}
	if r.isBatch() {
		if err := writeManifest(s, desc, raw); err != nil || r.putOff(desc, tags) {
			return err
		}
	}
	d, err := r.directory()
	if err != nil {
		return err
	}
	return d.changeIndex(ctx, func(entries []orlop.Descriptor) ([]orlop.Descriptor, error) {
		// Under the lock, so that a deletion cannot come between.
		if err := writeManifest(d, desc, raw); err != nil {
			return nil, err
		}
		pushed := newNames()
		pushed.add(desc, tags)
		return pushed.merge(entries), nil
	})
}

// writeManifest writes the file of a manifest, unless it is there: who sets a
// tag pushes a manifest again.
func writeManifest(s store, desc orlop.Descriptor, raw []byte) error {
	name := blobPath(desc.Digest)
	there, err := readAll(s, name, orlop.MaxManifestSize)
	if err != nil || !bytes.Equal(there, raw) {
		return s.writeBlob(desc, bytes.NewReader(raw))
	}
	if d, ok := s.(*dir); ok {
		return d.settle(path.Dir(name)) // another process may have put it there just now
	}
	return nil
}

// checkBlobs checks that the blobs of a manifest are there.
func (r *Registry) checkBlobs(ctx context.Context, info orlop.ManifestInfo) error {
	for blob := range info.Blobs() {
		there, err := r.StatBlob(ctx, "", blob.Digest)
		if errors.Is(err, orlop.ErrBlobUnknown) {
			return orlop.ErrManifestBlobUnknown.WithDetail(map[string]digest.Digest{"digest": blob.Digest})
		}
		if err != nil {
			return err
		}
		if there.Size != blob.Size {
			return orlop.ErrManifestInvalid.With(fmt.Sprintf("blob %s has %d bytes, not %d", blob.Digest, there.Size, blob.Size))
		}
	}
	return nil
}

// committed returns the directory, for a deletion, when nothing is put off.
func (r *Registry) committed(ctx context.Context) (*dir, error) {
	d, err := r.directory()
	if err == nil {
		err = r.Commit(ctx)
	}
	return d, err
}

// DeleteManifest removes a manifest with its tags.
func (r *Registry) DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error {
	if err := check(repo, dgst); err != nil {
		return err
	}
	d, err := r.committed(ctx)
	if err != nil {
		return err
	}
	isIt := func(e orlop.Descriptor) bool { return e.Digest == dgst }
	return d.changeIndexAnd(ctx, func(entries []orlop.Descriptor) ([]orlop.Descriptor, error) {
		if !slices.ContainsFunc(entries, isIt) {
			if _, err := r.unlisted(dgst); err != nil {
				return nil, err
			}
		}
		return slices.DeleteFunc(entries, isIt), nil
	}, func() error { // last, lest index.json name what is not there
		err := d.remove(blobPath(dgst))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// DeleteTag removes a tag.
func (r *Registry) DeleteTag(ctx context.Context, repo, tag string) error {
	if err := checkName(repo); err != nil {
		return err
	}
	if err := ValidateName(tag); err != nil { // unless another wrote it
		if _, ok, _ := r.find(tag); !ok {
			return err
		}
	}
	d, err := r.committed(ctx)
	if err != nil {
		return err
	}
	return d.changeIndex(ctx, func(entries []orlop.Descriptor) ([]orlop.Descriptor, error) {
		found := false
		entries = withoutTags(entries, func(name string, _ digest.Digest) bool {
			found = found || name == tag
			return name == tag
		})
		if !found {
			return nil, unknownReference(tag)
		}
		return entries, nil
	})
}
