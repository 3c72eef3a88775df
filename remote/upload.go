package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote/auth"
)

// maxChunk is the largest chunk, in bytes, that a registry may ask for.
const maxChunk = 256 << 20

// Upload implements orlop.Writer. Writes are collected into chunks of
// Options.ChunkSize and sent by PATCH; Close sends the rest. The upload's ID
// changes as chunks are sent: after Close it is the one to resume by.
//
// ctx also ends Write and Close, which have none of their own.
func (r *Registry) Upload(ctx context.Context, repo, id string) (orlop.BlobWriter, error) {
	if err := orlop.ValidateRepository(repo); err != nil {
		return nil, err
	}
	s := &session{r: r, repo: repo}
	var err error
	if id == "" {
		err = s.restart(ctx)
	} else {
		err = s.resume(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	return newBlobWriter(ctx, s)
}

// resume goes on with the session of an id.
func (s *session) resume(ctx context.Context, id string) error {
	u, err := url.Parse(id)
	if err != nil || !strings.HasPrefix(id, "/") {
		return orlop.ErrUploadUnknown
	}
	s.location = s.r.origin.ResolveReference(u)
	uploads := "/v2/" + s.repo + "/blobs/uploads/"
	foreign := strings.HasPrefix(s.location.Path, "/v2/") && !strings.HasPrefix(s.location.Path, uploads)
	if foreign || !auth.SameOrigin(s.location, s.r.origin) {
		return orlop.ErrUploadUnknown
	}
	_, err = s.status(ctx)
	if code := status(err); code >= 200 && code < 500 && !ofCaller(code) {
		return orlop.ErrUploadUnknown.With(err.Error()) // whatever else is there
	}
	return err
}

// ofCaller tells whether a status is about who asks, not what for.
func ofCaller(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests
}

func newBlobWriter(ctx context.Context, s *session) (*blobWriter, error) {
	size := max(int64(s.r.o.ChunkSize), s.chunkMin)
	if size > maxChunk {
		return nil, orlop.ErrUnsupported.With(fmt.Sprintf("the registry asks for chunks of %d bytes", size))
	}
	return &blobWriter{ctx: ctx, s: s, size: int(size), chunk: chunk{start: s.offset}}, nil
}

// blobWriter is a resumable upload. What was written and not yet sent is in
// its chunk.
type blobWriter struct {
	ctx   context.Context // of Upload: io.Writer has no place for one
	s     *session
	size  int // of a chunk, in bytes
	chunk chunk
	err   error // after it, nothing more is sent
}

var errUploadOver = errors.New("the upload is over")

// Write implements io.Writer.
func (w *blobWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		part := p[:min(len(p), w.size-len(w.chunk.raw))]
		w.chunk.raw = append(w.chunk.raw, part...)
		p = p[len(part):]
		n += len(part)
		if len(w.chunk.raw) == w.size {
			w.err = w.flush(w.ctx)
		}
	}
	return n, w.err
}

// flush sends the chunk.
func (w *blobWriter) flush(ctx context.Context) error {
	if err := w.s.upload(ctx, w.chunk, w.Offset(), ""); err != nil {
		return fmt.Errorf("upload to %s: %w", w.s.repo, err)
	}
	w.chunk = chunk{start: w.s.offset, raw: w.chunk.raw[:0]}
	return nil
}

// ID implements orlop.BlobWriter.
func (w *blobWriter) ID() string { return w.s.id() }

// Offset implements orlop.BlobWriter.
func (w *blobWriter) Offset() int64 { return w.chunk.start + int64(len(w.chunk.raw)) }

// Commit implements orlop.BlobWriter.
func (w *blobWriter) Commit(ctx context.Context, dgst digest.Digest) (orlop.Descriptor, error) {
	if err := check(w.err, orlop.ValidateDigest(dgst)); err != nil {
		return orlop.Descriptor{}, err
	}
	desc := orlop.Descriptor{MediaType: octetStream, Digest: dgst, Size: w.Offset()}
	if err := w.s.upload(ctx, w.chunk, desc.Size, dgst); err != nil {
		return orlop.Descriptor{}, fmt.Errorf("commit blob %s: %w", dgst, err)
	}
	w.end()
	return desc, nil
}

// Cancel implements orlop.BlobWriter.
func (w *blobWriter) Cancel(ctx context.Context) error {
	if errors.Is(w.err, errUploadOver) {
		return nil
	}
	w.end()
	return w.s.cancel(ctx)
}

// Close implements orlop.BlobWriter.
func (w *blobWriter) Close() error {
	if errors.Is(w.err, errUploadOver) {
		return nil
	}
	err := w.err
	if err == nil {
		err = w.flush(w.ctx)
	}
	w.end()
	return err
}

func (w *blobWriter) end() {
	w.err = errUploadOver
	w.chunk = chunk{start: w.Offset()}
}
