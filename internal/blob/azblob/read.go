package azblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	azure "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

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
	obj, err := blob.OpenRanged(ctx, s.ranges(key), off, n)
	if err != nil {
		return nil, fmt.Errorf("open object %s: %w", key, err)
	}
	return obj, nil
}

// ranges reads parts of a committed blob.
func (s *Store) ranges(key string) blob.Ranges {
	client := s.blob(key)
	return func(ctx context.Context, off, n int64) (io.ReadCloser, int64, error) {
		r := azure.HTTPRange{Offset: off}
		if n < math.MaxInt64-off {
			r.Count = n
		}
		part, err := client.DownloadStream(ctx, &azure.DownloadStreamOptions{Range: r})
		if err != nil {
			return nil, 0, failure(ctx, err)
		}
		size, err := wholeSize(part)
		if err != nil {
			part.Body.Close()
		}
		return part.Body, size, err
	}
}

// wholeSize is the size of the object that an answer gives a part of.
func wholeSize(part azure.DownloadStreamResponse) (int64, error) {
	if part.ContentRange == nil && part.ContentLength != nil {
		return *part.ContentLength, nil
	}
	if part.ContentRange == nil {
		return 0, errors.New("the service does not tell the size")
	}
	_, total, _ := strings.Cut(*part.ContentRange, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil || size < 0 {
		return 0, fmt.Errorf("the service sends the range %q", *part.ContentRange)
	}
	return size, nil
}
