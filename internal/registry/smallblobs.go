package registry

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/smallblobs"
)

// blobsPerUpdate is how many blobs are stored in one go: others wait for the
// one goroutine that writes.
const blobsPerUpdate = 64

// PushBlobs stores small blobs. Content that does not match its digest is
// ErrDigestInvalid, and then nothing is stored. After another error some may be
// stored, which harms nobody.
func (r *Registry) PushBlobs(ctx context.Context, repo string, blobs []smallblobs.Blob) error {
	var small []meta.Blob
	var large []smallblobs.Blob
	for _, b := range blobs {
		if err := checkBoth(repo, b.Digest); err != nil {
			return err
		}
		if !b.Whole() {
			return orlop.ErrDigestInvalid.WithDetail(map[string]string{"digest": string(b.Digest)})
		}
		if len(b.Content) > r.opts.SmallBlob {
			large = append(large, b)
			continue
		}
		small = append(small, meta.Blob{Digest: b.Digest, Size: int64(len(b.Content)), Content: b.Content})
	}
	var g errgroup.Group // so that all share one commit
	for chunk := range slices.Chunk(small, blobsPerUpdate) {
		g.Go(func() error { return r.putBlobs(ctx, repo, chunk) })
	}
	for _, b := range large {
		g.Go(func() error {
			desc := orlop.Descriptor{Digest: b.Digest, Size: int64(len(b.Content))}
			return r.PushBlob(ctx, repo, desc, bytes.NewReader(b.Content))
		})
	}
	return g.Wait()
}

// putBlobs stores blobs that are kept in the metadata, in one transaction.
func (r *Registry) putBlobs(ctx context.Context, repo string, blobs []meta.Blob) error {
	keys := make([]cacheKey, len(blobs))
	for i, b := range blobs {
		keys[i] = r.key(repo, string(b.Digest)).of(cachedBlob)
	}
	defer r.cache.hold(keys...)()
	err := r.db.Update(context.WithoutCancel(ctx), func(tx *sqlmeta.Tx) error { return tx.PutBlobs(r.id, repo, blobs) })
	return translate(err, nil)
}

// ReadBlobs returns the content of small blobs that the repository may serve, in
// their order; nil for those that are absent, damaged, or larger than limit
// bytes: OpenBlob tells of each which it is. At most 64 at once.
func (r *Registry) ReadBlobs(ctx context.Context, repo string, digests []digest.Digest, limit int64) ([][]byte, error) {
	blobs, err := r.blobsOf(ctx, repo, digests)
	if err != nil {
		return nil, err
	}
	contents := make([][]byte, len(digests))
	for i, d := range digests {
		b := blobs[d]
		switch {
		case b == nil, b.Size > limit:
			continue
		case b.Size == 0:
			contents[i] = []byte{}
		case b.Key == "":
			contents[i] = b.Content
		default:
			if content, err := r.readBlob(ctx, repo, d, limit); err == nil {
				contents[i] = content
			}
		}
	}
	return contents, ctx.Err()
}

// blobsOf finds blobs as blob does, with one query for those that are not in the
// cache. Those that are absent or damaged are missing.
func (r *Registry) blobsOf(ctx context.Context, repo string, digests []digest.Digest) (map[digest.Digest]*meta.Blob, error) {
	found := make(map[digest.Digest]*meta.Blob, len(digests))
	gens := map[digest.Digest]uint64{} // of those that are not in the cache
	for _, d := range digests {
		if err := checkBoth(repo, d); err != nil {
			return nil, err
		}
		v, gen, ok := r.cache.lookup(r.key(repo, string(d)).of(cachedBlob))
		if ok {
			found[d] = v.(*meta.Blob)
		} else if _, again := gens[d]; !again {
			gens[d] = gen
		}
	}
	if len(gens) == 0 {
		return found, nil
	}
	blobs, err := r.db.Blobs(ctx, r.id, repo, slices.Collect(maps.Keys(gens)))
	for _, b := range blobs {
		if b.Key == "" && b.Digest.Algorithm().FromBytes(b.Content) != b.Digest {
			r.opts.Log.Error("damaged blob", "digest", b.Digest, "repository", repo)
			continue
		}
		found[b.Digest] = &b
		r.cache.store(r.key(repo, string(b.Digest)).of(cachedBlob), gens[b.Digest], &b, int64(len(b.Content)+len(b.Sums)))
	}
	return found, translate(err, nil)
}
