package orlop

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// ReadSmall returns the content of the blob that desc describes, verified. It
// is held in memory: that is for the caller to bound, by desc.Size. If r is a
// SmallReader, the blob may come with others that are asked for at once.
func ReadSmall(ctx context.Context, r Reader, repo string, desc Descriptor) ([]byte, error) {
	if small, ok := r.(SmallReader); ok {
		return small.ReadBlob(ctx, repo, desc)
	}
	if desc.Size < 0 {
		return nil, ErrSizeInvalid.With(fmt.Sprintf("the size of blob %s is %d", desc.Digest, desc.Size))
	}
	blob, err := r.OpenBlob(ctx, repo, desc.Digest, 0, -1)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	if size := blob.Descriptor().Size; size != desc.Size {
		return nil, fmt.Errorf("read blob %s of %s: %w: it has %d bytes, not %d", desc.Digest, repo, ErrDamaged, size, desc.Size)
	}
	raw := make([]byte, desc.Size)
	if _, err := io.ReadFull(blob, raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// OpenWhole opens the blob that desc describes to read all of it; a small one by
// ReadSmall, if r is a SmallReader.
func OpenWhole(ctx context.Context, r Reader, repo string, desc Descriptor) (BlobReader, error) {
	if _, ok := r.(SmallReader); !ok || desc.Size < 0 || desc.Size > smallBlob {
		return r.OpenBlob(ctx, repo, desc.Digest, 0, -1)
	}
	raw, err := ReadSmall(ctx, r, repo, desc)
	if err != nil {
		return nil, err
	}
	return &smallReader{*bytes.NewReader(raw), desc}, nil
}

// smallReader is a BlobReader of content that has been verified.
type smallReader struct {
	bytes.Reader
	desc Descriptor
}

// Descriptor implements BlobReader.
func (b *smallReader) Descriptor() Descriptor { return b.desc }

// Close implements io.Closer.
func (b *smallReader) Close() error { return nil }
