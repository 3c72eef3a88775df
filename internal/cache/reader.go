package cache

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// mediaType is what is known of a blob on its own.
const mediaType = "application/octet-stream"

// Reader returns a reader that reads manifests by digest and blobs from the
// cache, and what is not there from r, keeping it. What a tag names is always
// asked of r, as are descriptors.
//
// Content that is in the cache is given out without asking r whether the caller
// may have it: who can read the directory can.
func (c *Cache) Reader(r orlop.Reader) orlop.Reader { return &reader{Reader: r, c: c} }

type reader struct {
	orlop.Reader
	c *Cache
}

// Manifest implements orlop.Reader. A tag costs resolving it, and only if the
// manifest is not here reading it: registries that count pulls count the second.
func (r *reader) Manifest(ctx context.Context, repo, reference string) (orlop.Manifest, error) {
	var desc orlop.Descriptor
	if orlop.IsDigest(reference) {
		desc.Digest = digest.Digest(reference)
	} else {
		var err error
		if desc, err = r.Resolve(ctx, repo, reference); err != nil {
			return orlop.Manifest{}, err
		}
	}
	if orlop.ValidateDigest(desc.Digest) == nil {
		if m, ok := r.cached(ctx, repo, desc); ok {
			return m, nil
		}
	}
	m, err := r.Reader.Manifest(ctx, repo, string(desc.Digest))
	if err != nil {
		return orlop.Manifest{}, err
	}
	r.c.keep(m.Descriptor.Digest, m.Raw)
	return m, nil
}

// cached reads a manifest from the cache. If neither desc nor the manifest says
// what its type is, the registry has to.
func (r *reader) cached(ctx context.Context, repo string, desc orlop.Descriptor) (orlop.Manifest, bool) {
	e, ok := r.c.open(ctx, desc.Digest)
	if !ok {
		return orlop.Manifest{}, false
	}
	defer e.Close()
	if e.size > orlop.MaxManifestSize {
		return orlop.Manifest{}, false
	}
	raw := make([]byte, e.size)
	if n, _ := e.ReadAt(raw, 0); n < len(raw) || e.unchanged(ctx) != nil {
		return orlop.Manifest{}, false
	}
	if desc.MediaType == "" {
		info, err := orlop.ParseManifest("", raw)
		if err == nil {
			desc.MediaType = info.MediaType
		} else if desc, err = r.Resolve(ctx, repo, string(desc.Digest)); err != nil {
			return orlop.Manifest{}, false
		}
	}
	desc.Size = e.size
	return orlop.Manifest{Descriptor: desc, Raw: raw}, true
}

// ReadBlob implements orlop.SmallReader.
func (r *reader) ReadBlob(ctx context.Context, repo string, desc orlop.Descriptor) ([]byte, error) {
	small, ok := r.Reader.(orlop.SmallReader)
	if !ok || orlop.ValidateDigest(desc.Digest) != nil || r.c.has(desc.Digest) {
		return orlop.ReadSmall(ctx, struct{ orlop.Reader }{r}, repo, desc) // by OpenBlob
	}
	raw, err := small.ReadBlob(ctx, repo, desc)
	if err == nil {
		r.c.keep(desc.Digest, raw)
	}
	return raw, err
}

// OpenBlob implements orlop.Reader. A blob that is read whole is kept.
func (r *reader) OpenBlob(ctx context.Context, repo string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	if orlop.ValidateRepository(repo) != nil || orlop.ValidateDigest(dgst) != nil {
		return r.Reader.OpenBlob(ctx, repo, dgst, off, n)
	}
	if e, ok := r.c.open(ctx, dgst); ok {
		b, err := e.reader(ctx, off, n)
		if err != nil {
			e.Close()
			return nil, err
		}
		return b, nil
	}
	b, err := r.Reader.OpenBlob(ctx, repo, dgst, off, n)
	if err != nil || off != 0 || n >= 0 {
		return b, err
	}
	return r.c.tee(b), nil
}
