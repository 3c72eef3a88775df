package files

import (
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

var _ orlop.Reader = (*Source)(nil)

// Resolve implements orlop.Reader.
func (s *Source) Resolve(ctx context.Context, repo, reference string) (orlop.Descriptor, error) {
	m, err := s.Manifest(ctx, repo, reference)
	return m.Descriptor, err
}

// Manifest implements orlop.Reader.
func (s *Source) Manifest(_ context.Context, _, reference string) (orlop.Manifest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.manifest
	if m.Raw == nil || orlop.IsDigest(reference) && reference != m.Descriptor.Digest.String() {
		return orlop.Manifest{}, orlop.ErrManifestUnknown
	}
	return m, nil
}

// StatBlob implements orlop.Reader.
func (s *Source) StatBlob(_ context.Context, _ string, dgst digest.Digest) (orlop.Descriptor, error) {
	b, err := s.blob(dgst)
	return b.desc, err
}

func (s *Source) blob(dgst digest.Digest) (blob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[dgst]
	if !ok {
		return blob{}, orlop.ErrBlobUnknown
	}
	return b, nil
}

// OpenBlob implements orlop.Reader. A read fails with ErrChanged, before the
// last byte, if the file is seen not to be what Load read: by its size and time.
// It is not hashed once more, for whoever stores the content does that.
func (s *Source) OpenBlob(ctx context.Context, _ string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	b, err := s.blob(dgst)
	if err != nil {
		return nil, err
	}
	size := b.desc.Size
	if off < 0 || off > size {
		return nil, orlop.ErrRangeInvalid
	}
	if n < 0 || n > size-off {
		n = size - off
	}
	h, err := b.content.open(ctx)
	if err != nil {
		return nil, err
	}
	return &blobReader{desc: b.desc, h: h, left: n, src: contextReader{ctx, io.NewSectionReader(h, off, n)}}, nil
}

// blobReader reads a blob or a part.
type blobReader struct {
	desc orlop.Descriptor
	h    handle
	src  io.Reader
	left int64
}

// Descriptor implements orlop.BlobReader.
func (r *blobReader) Descriptor() orlop.Descriptor { return r.desc }

// Close implements io.Closer.
func (r *blobReader) Close() error { return r.h.Close() }

// Read implements io.Reader.
func (r *blobReader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	r.left -= int64(n)
	if err == io.EOF && r.left > 0 {
		return n, fmt.Errorf("%s: %w", r.desc.Digest, ErrChanged)
	}
	if n > 0 && r.left == 0 {
		if err := r.h.unchanged(); err != nil {
			return 0, err
		}
	}
	return n, err
}
