package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/orlop/orlop/internal/blob"
)

// Open implements blob.Store. The request that finds the object brings its
// content too.
func (s *Store) Open(ctx context.Context, key string) (blob.Object, error) {
	return s.OpenPart(ctx, key, 0, math.MaxInt64)
}

// OpenPart implements blob.PartOpener.
func (s *Store) OpenPart(ctx context.Context, key string, off, n int64) (blob.Object, error) {
	if err := begin(ctx, key); err != nil {
		return nil, err
	}
	obj, err := blob.OpenRanged(ctx, s.ranges(s.name(key)), off, n)
	if err != nil {
		return nil, fmt.Errorf("open object %s: %w", key, err)
	}
	return obj, nil
}

var errChanged = errors.New("object has changed while it was read")

// ranges reads an object. All that is read of it is of the same version.
func (s *Store) ranges(name string) blob.Ranges {
	var version atomic.Pointer[string] // its ETag
	return func(ctx context.Context, off, n int64) (io.ReadCloser, int64, error) {
		in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &name, IfMatch: version.Load()}
		if off > 0 || n < math.MaxInt64 {
			in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1))
		}
		out, err := s.client.GetObject(ctx, in)
		switch {
		case status(err) == http.StatusRequestedRangeNotSatisfiable:
			return s.beyond(ctx, name, off)
		case isCode(err, "PreconditionFailed"):
			return nil, 0, errChanged
		case err != nil:
			return nil, 0, failure(ctx, err)
		}
		size, err := sizeOf(out)
		if err != nil {
			out.Body.Close()
			return nil, 0, err
		}
		version.CompareAndSwap(nil, out.ETag)
		return out.Body, size, nil
	}
}

// beyond is a part of an object that ends before it.
func (s *Store) beyond(ctx context.Context, name string, off int64) (io.ReadCloser, int64, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &name})
	if err != nil {
		return nil, 0, failure(ctx, err)
	}
	size := aws.ToInt64(out.ContentLength)
	if off < size {
		return nil, 0, fmt.Errorf("%w: refused to give the bytes from %d on of %d", blob.ErrUnavailable, off, size)
	}
	return http.NoBody, size, nil
}

// sizeOf is the size of the whole object.
func sizeOf(out *s3.GetObjectOutput) (int64, error) {
	content := aws.ToString(out.ContentRange)
	if content == "" {
		return aws.ToInt64(out.ContentLength), nil
	}
	_, whole, ok := strings.Cut(content, "/")
	size, err := strconv.ParseInt(whole, 10, 64)
	if !ok || err != nil || size < 0 {
		return 0, fmt.Errorf("the store answers with the range %q", content)
	}
	return size, nil
}

// URL implements blob.Signer: an address where the object can be read without
// credentials. Whether there is one is not asked.
func (s *Store) URL(ctx context.Context, key string, life time.Duration) (string, error) {
	if err := begin(ctx, key); err != nil {
		return "", err
	}
	signed, err := s.public.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.name(key))}, s3.WithPresignExpires(life))
	if err != nil {
		return "", fmt.Errorf("sign a URL for object %s: %w", key, err)
	}
	return signed.URL, nil
}
