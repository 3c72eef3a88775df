package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/orlop/orlop/internal/blob"
)

var _ blob.Forker = (*Store)(nil)

// Fork implements blob.Forker. It makes the parts that were synced an object,
// after which nobody can send another to the same upload, and copies that into a
// new one. Where the former writer has made the object meanwhile, that is copied.
func (s *Store) Fork(ctx context.Context, from, to string, offset int64, saved []byte) (blob.Writer, error) {
	if err := errors.Join(begin(ctx, from), begin(ctx, to)); err != nil {
		return nil, err
	}
	if len(saved) == 0 {
		return nil, fmt.Errorf("fork object %s: %w", from, blob.ErrNotFound)
	}
	st, err := unmarshal(saved)
	if err == nil && offset != st.size {
		err = blob.ErrShort
	}
	if err != nil {
		return nil, fmt.Errorf("fork object %s: %w", from, err)
	}
	w := s.newWriter(ctx, to)
	if err := w.fork(from, st); err != nil {
		w.Close()
		return nil, fmt.Errorf("fork object %s: %w", from, err)
	}
	return w, nil
}

func (w *writer) fork(from string, st *state) error {
	frozen, err := w.store.freeze(w.ctx, from, st)
	if err != nil {
		return err
	}
	if frozen >= st.size { // the former writer has made it of all that it had
		return w.copy(from, st.size)
	}
	if err := w.copy(from, st.size-st.tail.size); err != nil || st.tail.id == "" {
		return err
	}
	tail := w.store.buffers.buffer()
	defer tail.release()
	if err := w.store.readTail(w.ctx, from, st.tail, tail); err != nil {
		return err
	}
	_, err = tail.body().WriteTo(w)
	return err
}

// freeze makes an object of the parts of an upload, if the former writer has not
// done so, and tells its size: 0 where there is none, and are no parts.
func (s *Store) freeze(ctx context.Context, key string, st *state) (int64, error) {
	parts, size := make([]*part, len(st.parts)), int64(0)
	for i := range st.parts {
		parts[i] = &st.parts[i]
		size += st.parts[i].size
	}
	if len(parts) > 0 {
		err := s.complete(ctx, key, st.upload, size, parts)
		if err != nil && !errors.Is(err, blob.ErrNotFound) && !errors.Is(err, blob.ErrExists) {
			return 0, err
		}
	}
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.name(key))})
	switch {
	case err == nil && aws.ToInt64(out.ContentLength) >= size:
		return aws.ToInt64(out.ContentLength), nil
	case err == nil:
		return 0, blob.ErrShort
	case status(err) == http.StatusNotFound && len(parts) == 0:
		return 0, nil
	case status(err) == http.StatusNotFound:
		return 0, fmt.Errorf("%w: %w", blob.ErrNotFound, err)
	}
	return 0, failure(ctx, err)
}

// copy begins the object with the first bytes of another. It reads and sends
// them: what a store copies itself has no checksum in many of them.
func (w *writer) copy(from string, size int64) error {
	if size == 0 {
		return nil
	}
	obj, err := w.store.OpenPart(w.ctx, from, 0, size)
	if err != nil {
		return err
	}
	defer obj.Close()
	_, err = io.Copy(w, io.NewSectionReader(obj, 0, size))
	return err
}
