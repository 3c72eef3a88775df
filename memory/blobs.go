package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// mediaType is what is known of a blob on its own.
const mediaType = "application/octet-stream"

// blob returns the content of a blob. r.mu must be held.
func (r *Registry) blob(name string, dgst digest.Digest) ([]byte, bool) {
	repo, ok := r.repos[name]
	if !ok {
		return nil, false
	}
	content, ok := repo.blobs[dgst]
	return content, ok
}

func (r *Registry) findBlob(repo string, dgst digest.Digest) ([]byte, error) {
	if err := check(repo, dgst); err != nil {
		return nil, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	content, ok := r.blob(repo, dgst)
	if !ok {
		return nil, blobUnknown(dgst)
	}
	return content, nil
}

func descriptor(dgst digest.Digest, content []byte) orlop.Descriptor {
	return orlop.Descriptor{MediaType: mediaType, Digest: dgst, Size: int64(len(content))}
}

// StatBlob returns digest and size of a blob.
func (r *Registry) StatBlob(_ context.Context, repo string, dgst digest.Digest) (orlop.Descriptor, error) {
	content, err := r.findBlob(repo, dgst)
	if err != nil {
		return orlop.Descriptor{}, err
	}
	return descriptor(dgst, content), nil
}

// OpenBlob opens a blob or a range of it.
func (r *Registry) OpenBlob(_ context.Context, repo string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	content, err := r.findBlob(repo, dgst)
	if err != nil {
		return nil, err
	}
	size := int64(len(content))
	if off < 0 || off > size {
		return nil, orlop.ErrRangeInvalid.With(fmt.Sprintf("offset %d is outside %d bytes", off, size))
	}
	if n < 0 || n > size-off {
		n = size - off
	}
	return &reader{*bytes.NewReader(content[off : off+n]), descriptor(dgst, content)}, nil
}

type reader struct {
	bytes.Reader
	desc orlop.Descriptor
}

func (r *reader) Descriptor() orlop.Descriptor { return r.desc }
func (r *reader) Close() error                 { return nil }

// PushBlob stores a blob.
func (r *Registry) PushBlob(_ context.Context, repo string, desc orlop.Descriptor, content io.Reader) error {
	if err := check(repo, desc.Digest); err != nil {
		return err
	}
	if desc.Size < 0 {
		return orlop.ErrSizeInvalid
	}
	var b bytes.Buffer // grows with what arrives, whatever the size says
	_, err := io.CopyN(&b, content, desc.Size)
	if errors.Is(err, io.EOF) {
		return orlop.ErrSizeInvalid.With(fmt.Sprintf("blob %s has %d bytes, not %d", desc.Digest, b.Len(), desc.Size))
	}
	if err != nil {
		return fmt.Errorf("push blob %s: %w", desc.Digest, err)
	}
	return r.putBlob(repo, desc.Digest, b.Bytes())
}

// putBlob stores content that must match dgst.
func (r *Registry) putBlob(repo string, dgst digest.Digest, content []byte) error {
	if actual := dgst.Algorithm().FromBytes(content); actual != dgst {
		return orlop.ErrDigestInvalid.WithDetail(map[string]digest.Digest{"digest": dgst, "actual": actual})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.repo(repo).blobs[dgst] = content
	return nil
}

// MountBlob shares a blob of another repository.
func (r *Registry) MountBlob(_ context.Context, repo, from string, dgst digest.Digest) error {
	if err := check(repo, dgst); err != nil {
		return err
	}
	if err := orlop.ValidateRepository(from); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	content, ok := r.blob(from, dgst)
	if !ok {
		return blobUnknown(dgst)
	}
	r.repo(repo).blobs[dgst] = content
	return nil
}

// DeleteBlob removes a blob from one repository.
func (r *Registry) DeleteBlob(_ context.Context, repo string, dgst digest.Digest) error {
	if err := check(repo, dgst); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.blob(repo, dgst); !ok {
		return blobUnknown(dgst)
	}
	delete(r.repos[repo].blobs, dgst)
	return nil
}
