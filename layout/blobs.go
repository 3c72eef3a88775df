package layout

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

const (
	// mediaType is what is known of a blob on its own.
	mediaType  = "application/octet-stream"
	bufferSize = 256 << 10
)

// StatBlob returns digest and size of a blob; its content is not checked.
func (r *Registry) StatBlob(_ context.Context, repo string, dgst digest.Digest) (orlop.Descriptor, error) {
	if err := check(repo, dgst); err != nil {
		return orlop.Descriptor{}, err
	}
	st, err := r.files.stat(blobPath(dgst))
	if err != nil {
		return orlop.Descriptor{}, unknown(err, orlop.ErrBlobUnknown, dgst)
	}
	return orlop.Descriptor{MediaType: mediaType, Digest: dgst, Size: st.size}, nil
}

// OpenBlob opens a blob or a range of it. The first range of a blob costs
// reading it whole, since the digest is all there is to check it by.
func (r *Registry) OpenBlob(ctx context.Context, repo string, dgst digest.Digest, off, n int64) (orlop.BlobReader, error) {
	if err := check(repo, dgst); err != nil {
		return nil, err
	}
	f, err := r.files.open(blobPath(dgst))
	if err != nil {
		return nil, unknown(err, orlop.ErrBlobUnknown, dgst)
	}
	reader, err := r.reader(ctx, f, dgst, off, n)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return reader, nil
}

func (r *Registry) reader(ctx context.Context, f *file, dgst digest.Digest, off, n int64) (*reader, error) {
	if off < 0 || off > f.size {
		return nil, orlop.ErrRangeInvalid.With(fmt.Sprintf("offset %d is outside %d bytes", off, f.size))
	}
	end := f.size
	if n >= 0 && n < end-off {
		end = off + n
	}
	whole := &reader{r: r, f: f, dgst: dgst, end: f.size, hash: dgst.Algorithm().Hash()}
	if off == 0 && end == f.size && end > 0 {
		return whole, nil
	}
	if !r.isVerified(dgst, f.stamp) {
		if err := whole.readThrough(ctx); err != nil {
			return nil, err
		}
	}
	return &reader{r: r, f: f, dgst: dgst, off: off, end: end}, nil
}

func (r *Registry) isVerified(dgst digest.Digest, st stamp) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	verified, ok := r.verified[dgst]
	return ok && verified == st
}

// reader reads a range of a file.
type reader struct {
	r        *Registry
	f        *file
	dgst     digest.Digest
	off, end int64
	hash     hash.Hash // nil if the file has been verified
}

var _ orlop.BlobReader = (*reader)(nil)

// Descriptor describes the whole blob.
func (b *reader) Descriptor() orlop.Descriptor {
	return orlop.Descriptor{MediaType: mediaType, Digest: b.dgst, Size: b.f.size}
}

// Unchecked implements orlop.UncheckedReader.
func (b *reader) Unchecked() { b.hash = nil }

// Read gives out the last bytes only when the digest is right.
func (b *reader) Read(p []byte) (int, error) {
	if b.off >= b.end {
		return 0, io.EOF
	}
	n, err := b.f.ReadAt(p[:min(int64(len(p)), b.end-b.off)], b.off)
	if n == 0 && len(p) > 0 {
		if err == io.EOF { // the file was cut while it was open
			err = b.damaged()
		}
		return 0, err
	}
	b.off += int64(n)
	if b.hash == nil {
		return n, nil
	}
	b.hash.Write(p[:n])
	if b.off < b.end {
		return n, nil
	}
	if err := b.verify(); err != nil {
		return 0, err
	}
	return n, nil
}

// verify checks the digest of what has been read.
func (b *reader) verify() error {
	if digest.NewDigest(b.dgst.Algorithm(), b.hash) != b.dgst {
		return b.damaged()
	}
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	b.r.verified[b.dgst] = b.f.stamp
	return nil
}

func (b *reader) damaged() error { return fmt.Errorf("blob %s: %w", b.dgst, orlop.ErrDamaged) }

// readThrough verifies the whole file.
func (b *reader) readThrough(ctx context.Context) error {
	if b.end == 0 {
		return b.verify()
	}
	buf := make([]byte, min(b.end, bufferSize))
	for {
		if _, err := b.Read(buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Close closes the file.
func (b *reader) Close() error { return b.f.Close() }

// ChecksBlobs implements orlop.BlobChecker.
func (r *Registry) ChecksBlobs() bool { return true }

// Expect lets blobs lie in a tar file in the order in which they are announced,
// in whichever they come. It is false for a directory. See orlop.Expecter.
func (r *Registry) Expect(repo string, blobs []orlop.Descriptor) bool {
	w, ok := r.files.(*tarWriter)
	if ok && checkName(repo) == nil {
		w.expect(slices.DeleteFunc(slices.Clone(blobs), func(d orlop.Descriptor) bool {
			return d.Size < 0 || orlop.ValidateDigest(d.Digest) != nil
		}))
	}
	return ok
}

// PushBlob stores a blob, also in place of a damaged one.
func (r *Registry) PushBlob(_ context.Context, repo string, desc orlop.Descriptor, content io.Reader) error {
	if err := check(repo, desc.Digest); err != nil {
		return err
	}
	if desc.Size < 0 {
		return orlop.ErrSizeInvalid
	}
	s, err := r.writable()
	if err != nil {
		return err
	}
	if err := s.writeBlob(desc, content); err != nil {
		return fmt.Errorf("push blob %s: %w", desc.Digest, err)
	}
	return nil
}

// writeBlob writes content to its place if it has the right size and digest.
func (d *dir) writeBlob(desc orlop.Descriptor, content io.Reader) error {
	temp := tempName()
	f, err := d.temp(temp)
	if err != nil {
		return err
	}
	if err := copyBlob(f, desc, content); err != nil {
		return d.drop(f, temp, err)
	}
	return d.place(f, temp, blobPath(desc.Digest))
}

// copyBlob writes content to w and fails unless it has the right size and
// digest.
func copyBlob(w io.Writer, desc orlop.Descriptor, content io.Reader) error {
	h := desc.Digest.Algorithm().Hash()
	buf := make([]byte, max(1, min(desc.Size, bufferSize)))
	n, err := io.CopyBuffer(io.MultiWriter(w, h), io.LimitReader(content, desc.Size), buf)
	switch {
	case err != nil:
		return full(err)
	case n != desc.Size:
		return orlop.ErrSizeInvalid.With(fmt.Sprintf("the blob has %d bytes, not %d", n, desc.Size))
	case digest.NewDigest(desc.Digest.Algorithm(), h) != desc.Digest:
		return orlop.ErrDigestInvalid
	}
	return nil
}

// MountBlob succeeds if the blob is in the layout, whatever from is.
func (r *Registry) MountBlob(ctx context.Context, repo, from string, dgst digest.Digest) error {
	if err := checkName(from); err != nil {
		return err
	}
	if _, err := r.writable(); err != nil {
		return err
	}
	_, err := r.StatBlob(ctx, repo, dgst)
	return err
}

// DeleteBlob removes a blob. A manifest that index.json names is none.
func (r *Registry) DeleteBlob(_ context.Context, repo string, dgst digest.Digest) error {
	if err := check(repo, dgst); err != nil {
		return err
	}
	d, err := r.directory()
	if err != nil {
		return err
	}
	if _, ok, err := r.find(string(dgst)); err != nil {
		return err
	} else if ok {
		return unknown(fs.ErrNotExist, orlop.ErrBlobUnknown, dgst)
	}
	return unknown(d.remove(blobPath(dgst)), orlop.ErrBlobUnknown, dgst)
}

// remove removes a file, durably. fs.ErrNotExist if it is absent.
func (d *dir) remove(name string) error {
	if err := d.root.Remove(name); err != nil {
		return err
	}
	return d.syncDir(path.Dir(name))
}
