package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop/internal/blob"
)

// copySize is the size of the parts that the store copies, in bytes, and
// copiesAtOnce how many it copies at a time.
const (
	copySize     = 256 << 20
	copiesAtOnce = 4
)

// Fork implements blob.Forker. What was sent of the old object as parts becomes
// an object, which its writer can change no more, and the store copies it.
func (s *Store) Fork(ctx context.Context, from, to string, offset int64, saved []byte) (blob.Writer, error) {
	if err := errors.Join(begin(ctx, from), begin(ctx, to)); err != nil {
		return nil, err
	}
	st, err := parse(offset, saved)
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

// fork takes what a state of another object names.
func (w *writer) fork(from string, st *state) error {
	w.size = st.size
	if len(st.parts) == 0 {
		err := w.forkTail(from, st.tail)
		if !errors.Is(err, blob.ErrNotFound) {
			return err
		}
	}
	final, err := w.store.seal(w.ctx, from, st)
	if err != nil {
		return err
	}
	n := min(final.size, st.size)
	if err := w.copy(from, final, n); err != nil || n == st.size {
		return err
	}
	if n+st.tail.size != st.size {
		return blob.ErrShort
	}
	return w.forkTail(from, st.tail)
}

func (w *writer) forkTail(from string, t tail) error {
	if t.id == "" {
		return nil
	}
	return w.store.readTail(w.ctx, from, t, w.fill)
}

// final is an object that changes no more.
type final struct {
	size int64
	etag *string
}

// seal makes an object of the parts that a state names, unless their writer has
// done so, with those and perhaps more.
func (s *Store) seal(ctx context.Context, key string, st *state) (final, error) {
	if len(st.parts) > 0 {
		parts, size := make([]*part, len(st.parts)), int64(0)
		for i := range parts {
			parts[i] = &st.parts[i]
			size += parts[i].size
		}
		err := s.complete(ctx, key, st.upload, size, parts)
		if err != nil && !errors.Is(err, blob.ErrNotFound) && !errors.Is(err, blob.ErrExists) {
			return final{}, err
		}
	}
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.name(key))})
	if status(err) == http.StatusNotFound {
		return final{}, blob.ErrNotFound
	}
	if err != nil {
		return final{}, failure(ctx, err)
	}
	return final{size: aws.ToInt64(out.ContentLength), etag: out.ETag}, nil
}

// copy takes the first n bytes of an object: as parts that the store copies, or,
// where they are too few for that, itself.
func (w *writer) copy(from string, f final, n int64) error {
	if n < minPart {
		return w.read(from, n)
	}
	w.sum = MD5 // stores that copy do not all tell a part's checksum, and those of an upload are of one kind
	var err error
	if w.upload, err = w.store.createUpload(w.ctx, w.key, w.sum); err != nil {
		return err
	}
	count := (n + copySize - 1) / copySize
	each := (n + count - 1) / count
	group, ctx := errgroup.WithContext(w.ctx)
	group.SetLimit(copiesAtOnce)
	for off := int64(0); off < n; off += each {
		p := &part{size: min(each, n-off)}
		w.parts = append(w.parts, p)
		number := len(w.parts)
		group.Go(func() error { return w.store.copyPart(ctx, w, number, from, f, off, p) })
	}
	return group.Wait()
}

// read takes the first n bytes of an object into the part to come.
func (w *writer) read(from string, n int64) error {
	if n == 0 {
		return nil
	}
	obj, err := w.store.OpenPart(w.ctx, from, 0, n)
	if err != nil {
		return err
	}
	defer obj.Close()
	b := make([]byte, n)
	if _, err := obj.ReadAt(b, 0); err != nil {
		return err
	}
	_, _ = w.fill.Write(b)
	return nil
}

// copyPart lets the store copy a part of an object.
func (s *Store) copyPart(ctx context.Context, w *writer, number int, from string, f final, off int64, p *part) error {
	source := url.URL{Path: s.bucket + "/" + s.name(from)}
	out, err := s.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
		Bucket: &s.bucket, Key: aws.String(s.name(w.key)), UploadId: &w.upload, PartNumber: aws.Int32(int32(number)),
		CopySource: aws.String(source.EscapedPath()), CopySourceIfMatch: f.etag,
		CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", off, off+p.size-1)),
	})
	if err != nil {
		return failure(ctx, err)
	}
	if out.CopyPartResult == nil {
		return errors.New("the store copies a part and does not tell its ETag")
	}
	p.etag = unquote(out.CopyPartResult.ETag)
	return nil
}
