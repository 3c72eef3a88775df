package s3

import (
	"cmp"
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/orlop/orlop/internal/blob"
)

// Delete implements blob.Store. Uploads end first, so that none of them becomes
// an object afterwards.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := begin(ctx, key); err != nil {
		return err
	}
	if err := s.delete(ctx, key); err != nil {
		return fmt.Errorf("delete object %s: %w", key, err)
	}
	return nil
}

func (s *Store) delete(ctx context.Context, key string) error {
	for u, err := range s.pending(ctx, s.name(key), "") {
		if err != nil {
			return err
		}
		if u.key != key {
			continue // it begins with the key only
		}
		if err := s.abort(ctx, key, u.id); err != nil {
			return err
		}
	}
	if err := s.remove(ctx, s.name(key)); err != nil {
		return err
	}
	for o, err := range s.stored(ctx, s.name(key)+tailMark, "") {
		if err != nil {
			return err
		}
		if err := s.remove(ctx, s.tailName(key, o.tail)); err != nil {
			return err
		}
	}
	return nil
}

// found is an object, a tail or a multipart upload in a listing.
type found struct {
	blob.Info
	key, tail, id string
}

// List implements blob.Store. The size of what is not committed is what is known
// of it without asking for each; a store that lists no multipart uploads but
// those of a known key, as MinIO, leaves them out.
func (s *Store) List(ctx context.Context, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		last := after
		for f, err := range merge(s.stored(ctx, s.prefix, after), s.pending(ctx, s.prefix, after)) {
			if err != nil {
				yield(blob.Info{}, fmt.Errorf("list objects: %w", err))
				return
			}
			if f.key <= last {
				continue // a tail or an upload of the same key
			}
			last = f.key
			if !yield(f.Info, nil) {
				return
			}
		}
	}
}

// merge gives the elements of two sequences in the order of their keys, those of
// the first before those of the second.
func merge(a, b iter.Seq2[found, error]) iter.Seq2[found, error] {
	return func(yield func(found, error) bool) {
		next, stop := iter.Pull2(b)
		defer stop()
		second, err, more := next()
		for first, failed := range a {
			for more && failed == nil && cmp.Less(second.key, first.key) {
				if !yield(second, err) {
					return
				}
				second, err, more = next()
			}
			if !yield(first, failed) || failed != nil {
				return
			}
		}
		for more && yield(second, err) {
			second, err, more = next()
		}
	}
}

// stored lists objects and tails whose names have a prefix, after a key.
func (s *Store) stored(ctx context.Context, prefix, after string) iter.Seq2[found, error] {
	return func(yield func(found, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix, StartAfter: s.start(after)}
		for pages := s3.NewListObjectsV2Paginator(s.client, in); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(found{}, failure(ctx, err))
				return
			}
			for _, o := range page.Contents {
				f, ok := s.found(o.Key)
				f.Size, f.Modified, f.Committed = aws.ToInt64(o.Size), aws.ToTime(o.LastModified), f.tail == ""
				if ok && !yield(f, nil) {
					return
				}
			}
		}
	}
}

// pending lists multipart uploads whose names have a prefix, after a key.
func (s *Store) pending(ctx context.Context, prefix, after string) iter.Seq2[found, error] {
	return func(yield func(found, error) bool) {
		in := &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &prefix, KeyMarker: s.start(after)}
		for pages := s3.NewListMultipartUploadsPaginator(s.client, in); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(found{}, failure(ctx, err))
				return
			}
			for _, u := range page.Uploads {
				f, ok := s.found(u.Key)
				f.Modified, f.id = aws.ToTime(u.Initiated), aws.ToString(u.UploadId)
				if ok && !yield(f, nil) {
					return
				}
			}
		}
	}
}

func (s *Store) found(name *string) (f found, ok bool) {
	f.key, f.tail, ok = s.keyOf(aws.ToString(name))
	f.Key = f.key
	return f, ok
}

// start is the name after which a listing begins; nil is its beginning.
func (s *Store) start(after string) *string {
	if after == "" {
		return nil
	}
	return aws.String(s.name(after))
}
