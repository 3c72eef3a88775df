package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// maxKept is how much of a stream, in bytes, is kept on disk to be sent in
// another way: by then the registry has answered the first chunk.
const maxKept = 64 << 20

// openStream starts the upload of a blob that can be read once, whose size and
// digest are not known. To a registry that takes no chunks it is sent whole,
// from a temporary file.
func (t *target) openStream(ctx context.Context) (orlop.BlobWriter, error) {
	if t.kind == kindLayout {
		return t.Upload(ctx, t.repo, "")
	}
	f, err := os.CreateTemp("", "orlop-*.tmp")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name()) // where the system allows it, nothing is left of a crash
	s := &stream{ctx: ctx, t: t, kept: f}
	up, err := t.Upload(ctx, t.repo, "")
	switch {
	case err == nil:
		s.BlobWriter = up
	case !takesNoChunks(err):
		return nil, errors.Join(err, s.drop())
	}
	return s, nil
}

// stream is the upload of a blob that can be read once.
type stream struct {
	orlop.BlobWriter                 // nil once the registry has refused chunks
	ctx              context.Context // of openStream: io.Writer has no place for one
	t                *target
	kept             *os.File // all that was written; nil once that is too much to keep
	size             int64
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	if s.kept != nil {
		if n, err := s.kept.Write(p); err != nil {
			return n, err
		}
	}
	if s.BlobWriter == nil {
		return len(p), nil
	}
	n, err := s.BlobWriter.Write(p)
	if s.fallBack(err) {
		return len(p), nil
	}
	if err == nil && s.size > maxKept {
		err = s.drop()
	}
	return n, err
}

// fallBack gives the upload up if the registry takes no chunks and all that was
// written is at hand.
func (s *stream) fallBack(err error) bool {
	if s.kept == nil || !takesNoChunks(err) {
		return false
	}
	_ = s.BlobWriter.Cancel(s.ctx) // it has refused more than that
	s.BlobWriter = nil
	return true
}

// Commit implements orlop.BlobWriter.
func (s *stream) Commit(ctx context.Context, dgst digest.Digest) (orlop.Descriptor, error) {
	if s.BlobWriter != nil {
		if d, err := s.BlobWriter.Commit(ctx, dgst); !s.fallBack(err) {
			return d, errors.Join(err, s.drop())
		}
	}
	d := orlop.Descriptor{MediaType: "application/octet-stream", Digest: dgst, Size: s.size}
	_, err := s.kept.Seek(0, io.SeekStart)
	if err == nil {
		err = s.t.PushBlob(ctx, s.t.repo, d, s.kept)
	}
	return d, errors.Join(err, s.drop())
}

// Cancel implements orlop.BlobWriter.
func (s *stream) Cancel(ctx context.Context) error {
	if s.BlobWriter == nil {
		return s.drop()
	}
	return errors.Join(s.BlobWriter.Cancel(ctx), s.drop())
}

// drop removes what is kept.
func (s *stream) drop() error {
	if s.kept == nil {
		return nil
	}
	err, removed := s.kept.Close(), os.Remove(s.kept.Name())
	s.kept = nil
	if removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

// takesNoChunks tells whether an error is how a registry refuses an upload in
// chunks.
func takesNoChunks(err error) bool {
	if errors.Is(err, orlop.ErrUnsupported) {
		return true
	}
	e, ok := errors.AsType[*orlop.Error](err)
	if !ok {
		return false
	}
	switch e.HTTPStatus() {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusLengthRequired,
		http.StatusRequestEntityTooLarge, http.StatusRequestedRangeNotSatisfiable, http.StatusNotImplemented:
		return true
	}
	return false
}
