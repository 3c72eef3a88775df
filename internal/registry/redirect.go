package registry

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
)

// BlobURL returns a URL at which a blob that the repository may serve can be read
// without asking us, for as long as life says. It is "" for a blob that is kept
// in the metadata store and where the blob store has no URLs, or cannot sign one
// now: the blob is to be read by OpenBlob then.
func (r *Registry) BlobURL(ctx context.Context, repo string, d digest.Digest, life time.Duration) (string, orlop.Descriptor, error) {
	b, err := r.blob(ctx, repo, d)
	if err != nil {
		return "", orlop.Descriptor{}, err
	}
	signer, ok := r.blobs.(blob.Signer)
	if !ok || b.Key == "" {
		return "", describe(b), nil
	}
	url, err := signer.URL(ctx, b.Key, life)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		r.opts.Log.Warn("no URL for a blob, which is sent from here", "digest", d, "error", err)
	}
	return url, describe(b), nil
}
