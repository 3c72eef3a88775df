package memory

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// upload is what has arrived of a blob. It is changed only by the writer that
// has it open.
type upload struct {
	repo    string
	content []byte
	open    bool // guarded by Registry.mu
}

// writer is an upload in use.
type writer struct {
	r      *Registry
	id     string
	upload *upload
	closed bool
}

var _ orlop.BlobWriter = (*writer)(nil)

// Upload starts an upload or goes on with one. An upload that is open already
// gives ErrUploadInvalid with status 409.
func (r *Registry) Upload(_ context.Context, repo, id string) (orlop.BlobWriter, error) {
	if err := orlop.ValidateRepository(repo); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == "" {
		id = rand.Text()
		r.uploads[id] = &upload{repo: repo}
	}
	u, ok := r.uploads[id]
	if !ok || u.repo != repo {
		return nil, orlop.ErrUploadUnknown
	}
	if u.open {
		busy := orlop.ErrUploadInvalid.With("the upload is in use")
		busy.Status = http.StatusConflict
		return nil, busy
	}
	u.open = true
	return &writer{r: r, id: id, upload: u}, nil
}

var errClosed = errors.New("upload is closed")

// Write appends to the upload.
func (w *writer) Write(p []byte) (int, error) {
	if w.closed {
		return 0, errClosed
	}
	w.upload.content = append(w.upload.content, p...)
	return len(p), nil
}

// ID names the upload.
func (w *writer) ID() string { return w.id }

// Offset is how many bytes have arrived.
func (w *writer) Offset() int64 { return int64(len(w.upload.content)) }

// Commit makes a blob of the upload. The upload is over whether the digest
// matches or not.
func (w *writer) Commit(_ context.Context, dgst digest.Digest) (orlop.Descriptor, error) {
	if w.closed {
		return orlop.Descriptor{}, errClosed
	}
	if err := orlop.ValidateDigest(dgst); err != nil {
		return orlop.Descriptor{}, err
	}
	w.end()
	if err := w.r.putBlob(w.upload.repo, dgst, w.upload.content); err != nil {
		return orlop.Descriptor{}, err
	}
	return descriptor(dgst, w.upload.content), nil
}

// Cancel drops the upload.
func (w *writer) Cancel(context.Context) error {
	if !w.closed {
		w.end()
	}
	return nil
}

func (w *writer) end() {
	w.closed = true
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	delete(w.r.uploads, w.id)
}

// Close keeps the upload to go on with later.
func (w *writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	w.upload.open = false
	return nil
}
