package layout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// writer is an upload in use: a file in ingest that is named by its id, and can
// be gone on with by another process for as long as nobody sweeps it.
type writer struct {
	r      *Registry
	d      *dir
	id     string
	f      *os.File
	offset int64
	hash   hash.Hash // of SHA-256; for other algorithms the file is read again
	err    error     // of a write, after which the file must be opened again
	closed bool
}

var _ orlop.BlobWriter = (*writer)(nil)

var errClosed = errors.New("upload is closed")

func uploadPath(id string) string { return ingestDir + "/" + id + ".upload" }

// isID tells whether id may be one of an upload: what rand.Text gives, in lower
// case for the sake of file systems.
func isID(id string) bool {
	return len(id) == 26 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// Upload starts an upload or goes on with one, which costs reading what has
// arrived. An upload that is in use gives ErrUploadInvalid with status 409.
func (r *Registry) Upload(ctx context.Context, repo, id string) (orlop.BlobWriter, error) {
	if err := checkName(repo); err != nil {
		return nil, err
	}
	d, err := r.directory()
	if err != nil {
		return nil, err
	}
	w := &writer{r: r, d: d, id: id, hash: digest.Canonical.Hash()}
	if id == "" {
		w.id = strings.ToLower(rand.Text())
	} else if !isID(id) {
		return nil, orlop.ErrUploadUnknown
	}
	if err := r.take(w.id); err != nil {
		return nil, err
	}
	if id == "" {
		w.f, err = d.temp(uploadPath(w.id))
	} else {
		err = w.goOn(ctx)
	}
	if err != nil {
		r.give(w.id)
		return nil, err
	}
	return w, nil
}

// take makes an upload this process's, in use.
func (r *Registry) take(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[id] {
		busy := orlop.ErrUploadInvalid.With("the upload is in use")
		busy.Status = http.StatusConflict
		return busy
	}
	r.open[id] = true
	return nil
}

func (r *Registry) give(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, id)
}

// goOn opens the file of an upload and hashes what is there.
func (w *writer) goOn(ctx context.Context) error {
	f, err := w.d.root.OpenFile(uploadPath(w.id), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return orlop.ErrUploadUnknown
	}
	if err != nil {
		return err
	}
	w.f = f
	w.offset, err = hashFile(ctx, w.hash, f)
	if err != nil {
		return errors.Join(fmt.Errorf("upload %s: %w", w.id, err), f.Close())
	}
	return nil
}

// hashFile reads a file from where it is to its end.
func hashFile(ctx context.Context, h hash.Hash, f io.Reader) (n int64, err error) {
	buf := make([]byte, bufferSize)
	for {
		read, err := f.Read(buf)
		h.Write(buf[:read])
		n += int64(read)
		if err == io.EOF {
			return n, nil
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return n, err
		}
	}
}

// Write appends to the upload.
func (w *writer) Write(p []byte) (int, error) {
	if w.closed {
		return 0, errClosed
	}
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.f.Write(p)
	w.hash.Write(p[:n])
	w.offset += int64(n)
	if err != nil {
		w.err = fmt.Errorf("upload %s: %w", w.id, full(err))
	}
	return n, w.err
}

// ID names the upload.
func (w *writer) ID() string { return w.id }

// Offset is how many bytes have arrived.
func (w *writer) Offset() int64 { return w.offset }

// Commit makes a blob of the upload. The upload is over whether the digest
// matches or not.
func (w *writer) Commit(ctx context.Context, dgst digest.Digest) (orlop.Descriptor, error) {
	if w.closed {
		return orlop.Descriptor{}, errClosed
	}
	if w.err != nil {
		return orlop.Descriptor{}, w.err
	}
	if err := orlop.ValidateDigest(dgst); err != nil {
		return orlop.Descriptor{}, err
	}
	h := w.hash
	if dgst.Algorithm() != digest.Canonical {
		h = dgst.Algorithm().Hash()
		if _, err := hashFile(ctx, h, io.NewSectionReader(w.f, 0, w.offset)); err != nil {
			return orlop.Descriptor{}, fmt.Errorf("upload %s: %w", w.id, err)
		}
	}
	defer w.end()
	d, temp := w.d, uploadPath(w.id)
	if digest.NewDigest(dgst.Algorithm(), h) != dgst {
		return orlop.Descriptor{}, d.drop(w.f, temp, orlop.ErrDigestInvalid)
	}
	if err := d.place(w.f, temp, blobPath(dgst)); err != nil {
		return orlop.Descriptor{}, fmt.Errorf("upload %s: %w", w.id, err)
	}
	return orlop.Descriptor{MediaType: mediaType, Digest: dgst, Size: w.offset}, nil
}

// Cancel drops the upload.
func (w *writer) Cancel(context.Context) error {
	if w.closed {
		return nil
	}
	defer w.end()
	return w.d.drop(w.f, uploadPath(w.id), nil)
}

// Close keeps the upload to go on with later.
func (w *writer) Close() error {
	if w.closed {
		return nil
	}
	defer w.end()
	return w.f.Close()
}

func (w *writer) end() {
	w.closed = true
	w.r.give(w.id)
}
