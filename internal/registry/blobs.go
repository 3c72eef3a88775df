package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// blobMediaType is what a blob is called when it is asked for by digest alone.
const blobMediaType = "application/octet-stream"

// blob returns a blob that the repository may serve; small ones with content,
// checked against the digest when it was read from the store.
func (r *Registry) blob(ctx context.Context, repo string, d digest.Digest) (*meta.Blob, error) {
	key := r.key(repo, string(d)).of(cachedBlob)
	v, gen, ok := r.cache.lookup(key)
	if ok {
		return v.(*meta.Blob), nil
	}
	if err := checkBoth(repo, d); err != nil {
		return nil, err
	}
	b, err := r.db.Blob(ctx, r.id, repo, d)
	if err != nil {
		return nil, translate(err, orlop.ErrBlobUnknown.WithDetail(map[string]string{"digest": string(d)}))
	}
	if b.Key == "" && d.Algorithm().FromBytes(b.Content) != d {
		r.opts.Log.Error("damaged blob", "digest", d, "repository", repo)
		return nil, fmt.Errorf("blob %s: %w", d, orlop.ErrDamaged)
	}
	r.cache.store(key, gen, &b, int64(len(b.Content)+len(b.Sums)))
	return &b, nil
}

// StatBlob returns digest and size of a blob without opening it. Whoever asks may
// rely on the blob for a while: its collection is put off if it is near.
func (r *Registry) StatBlob(ctx context.Context, repo string, d digest.Digest) (orlop.Descriptor, error) {
	b, err := r.blob(ctx, repo, d)
	if err == nil {
		err = r.keepBlob(ctx, repo, b)
	}
	if err != nil {
		return orlop.Descriptor{}, err
	}
	return describe(b), nil
}

func describe(b *meta.Blob) orlop.Descriptor {
	return orlop.Descriptor{MediaType: blobMediaType, Digest: b.Digest, Size: b.Size}
}

// OpenBlob opens a range of a blob; see orlop.Reader. What it returns also
// implements io.WriterTo, which is how it is read best.
func (r *Registry) OpenBlob(ctx context.Context, repo string, d digest.Digest, off, n int64) (orlop.BlobReader, error) {
	b, err := r.blob(ctx, repo, d)
	if err != nil {
		return nil, err
	}
	if off < 0 || off > b.Size {
		return nil, orlop.ErrRangeInvalid
	}
	if n < 0 || n > b.Size-off {
		n = b.Size - off
	}
	if b.Key == "" {
		small := &smallReader{blob: b}
		small.Reset(b.Content[off : off+n])
		return small, nil
	}
	rd, err := blob.OpenReader(ctx, r.blobs, b.Key, b.Size, b.Sums, off, n)
	if err != nil {
		r.opts.Log.Error("blob content cannot be opened", "digest", d, "repository", repo, "error", err)
		if errors.Is(err, blob.ErrNotFound) {
			err = orlop.ErrDamaged
		}
		return nil, fmt.Errorf("open blob %s: %w", d, translate(err, nil))
	}
	return &largeReader{Reader: rd, blob: b, reg: r, repo: repo}, nil
}

// smallReader reads a blob that is kept in memory.
type smallReader struct {
	bytes.Reader
	blob *meta.Blob
}

func (s *smallReader) Descriptor() orlop.Descriptor { return describe(s.blob) }
func (s *smallReader) Close() error                 { return nil }

// largeReader reads a blob piece by piece and reports damage.
type largeReader struct {
	*blob.Reader
	blob *meta.Blob
	reg  *Registry
	repo string
}

func (l *largeReader) Descriptor() orlop.Descriptor { return describe(l.blob) }

// Read reads verified bytes.
func (l *largeReader) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	return n, l.report(err)
}

// WriteTo writes the range to w, each piece after it was verified.
func (l *largeReader) WriteTo(w io.Writer) (int64, error) {
	n, err := l.Reader.WriteTo(w)
	return n, l.report(err)
}

func (l *largeReader) report(err error) error {
	if errors.Is(err, blob.ErrDamaged) {
		l.reg.opts.Log.Error("damaged blob", "digest", l.blob.Digest, "repository", l.repo, "error", err)
	}
	return translate(err, nil)
}

// readBlob returns the content of a blob of at most limit bytes.
func (r *Registry) readBlob(ctx context.Context, repo string, d digest.Digest, limit int64) ([]byte, error) {
	rd, err := r.OpenBlob(ctx, repo, d, 0, limit)
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	return io.ReadAll(rd)
}

// PushBlob stores content of known digest and size; see orlop.Writer.
func (r *Registry) PushBlob(ctx context.Context, repo string, desc orlop.Descriptor, content io.Reader) error {
	if err := checkBoth(repo, desc.Digest); err != nil {
		return err
	}
	w, err := r.Upload(ctx, repo, "")
	if err != nil {
		return err
	}
	n, err := io.Copy(w, io.LimitReader(content, desc.Size+1))
	if err == nil && n != desc.Size {
		err = orlop.ErrSizeInvalid
	}
	if err == nil {
		_, err = w.Commit(ctx, desc.Digest)
	}
	if err != nil {
		return errors.Join(err, w.Cancel(ctx))
	}
	return nil
}

// MountBlob makes a blob of repository from available in repo.
func (r *Registry) MountBlob(ctx context.Context, repo, from string, d digest.Digest) error {
	if err := checkName(from); err != nil {
		return err
	}
	return r.MountFrom(ctx, repo, from, d, func(string) bool { return true })
}

// maxMountSources bounds how many repositories are tried when a blob is to be
// mounted from any.
const maxMountSources = 100

// MountFrom makes a blob of the repository from, or of any if from is "",
// available in repo, if may allows to read it there. ErrBlobUnknown if it
// cannot be mounted, for whatever reason.
func (r *Registry) MountFrom(ctx context.Context, repo, from string, d digest.Digest, may func(repo string) bool) error {
	if err := checkBoth(repo, d); err != nil {
		return err
	}
	sources := []string{from}
	if from == "" {
		var err error
		if sources, err = r.db.BlobRepositories(ctx, r.id, d, maxMountSources); err != nil {
			return translate(err, nil)
		}
	}
	for _, source := range sources {
		if !may(source) {
			continue
		}
		release := r.cache.hold(r.key(repo, string(d)).of(cachedBlob))
		err := r.db.Update(ctx, func(tx *sqlmeta.Tx) error { return tx.MountBlob(r.id, repo, source, d) })
		release()
		if !errors.Is(err, sqlmeta.ErrNotFound) {
			return translate(err, nil)
		}
	}
	return orlop.ErrBlobUnknown.WithDetail(map[string]string{"digest": string(d)})
}

// DeleteBlob unlinks a blob from a repository.
func (r *Registry) DeleteBlob(ctx context.Context, repo string, d digest.Digest) error {
	if err := checkBoth(repo, d); err != nil {
		return err
	}
	release := r.cache.hold(r.key(repo, string(d)).of(cachedBlob))
	defer release()
	err := r.db.Update(ctx, func(tx *sqlmeta.Tx) error { return tx.UnlinkBlob(r.id, repo, d) })
	return translate(err, orlop.ErrBlobUnknown.WithDetail(map[string]string{"digest": string(d)}))
}
