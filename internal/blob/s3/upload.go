package s3

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/orlop/orlop/internal/blob"
)

// mediaType is that of all objects, which clients see that are redirected.
const mediaType = "application/octet-stream"

// createUpload begins a multipart upload, all of whose parts have that checksum.
func (s *Store) createUpload(ctx context.Context, key string, sum Checksum) (id string, err error) {
	out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: aws.String(s.name(key)), ContentType: aws.String(mediaType), ChecksumAlgorithm: sum.algorithm(),
	})
	if err != nil {
		return "", failure(ctx, err)
	}
	return aws.ToString(out.UploadId), nil
}

// findUpload tells whether a multipart upload is still there.
func (s *Store) findUpload(ctx context.Context, key, id string) error {
	_, err := s.client.ListParts(ctx, &s3.ListPartsInput{
		Bucket: &s.bucket, Key: aws.String(s.name(key)), UploadId: &id, MaxParts: aws.Int32(1),
	})
	return failure(ctx, err)
}

// complete makes an object of the parts.
func (s *Store) complete(ctx context.Context, key, id string, size int64, parts []*part) error {
	completed := make([]types.CompletedPart, len(parts))
	for i, p := range parts {
		completed[i] = s.completed(i+1, p)
	}
	_, err := s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &s.bucket, Key: aws.String(s.name(key)), UploadId: &id, IfNoneMatch: s.absent(),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: completed},
	})
	if isCode(err, "NoSuchUpload", "PreconditionFailed") && s.isThere(ctx, key, size, composite(parts)) {
		return nil // the answer to an earlier attempt was lost
	}
	return failure(ctx, err)
}

// isThere tells whether there is an object of this size and ETag.
func (s *Store) isThere(ctx context.Context, key string, size int64, etag string) bool {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.name(key))})
	return err == nil && etag != "" && aws.ToInt64(out.ContentLength) == size && unquote(out.ETag) == etag
}

func (s *Store) abort(ctx context.Context, key, id string) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &s.bucket, Key: aws.String(s.name(key)), UploadId: &id,
	})
	if isCode(err, "NoSuchUpload") || status(err) == http.StatusNotFound {
		return nil
	}
	return failure(ctx, err)
}

// writerMark is the metadata by which a writer knows its own object.
const writerMark = "orlop-writer"

// putWhole stores an object by one request.
func (s *Store) putWhole(ctx context.Context, key string, content *buffer) error {
	mark := newID()
	in := s.put(s.name(key), content)
	in.IfNoneMatch, in.Metadata = s.absent(), map[string]string{writerMark: mark}
	_, err := s.client.PutObject(ctx, in)
	if isCode(err, "PreconditionFailed") && s.isMarked(ctx, key, mark) {
		return nil // the answer to an earlier attempt was lost
	}
	return failure(ctx, err)
}

func (s *Store) isMarked(ctx context.Context, key, mark string) bool {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(s.name(key))})
	return err == nil && out.Metadata[writerMark] == mark
}

func (s *Store) put(name string, content *buffer) *s3.PutObjectInput {
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &name, Body: content.body(), ContentLength: &content.bytes, ContentType: aws.String(mediaType),
	}
	s.sum.set(s.sum.of(content), &in.ChecksumCRC32C, &in.ChecksumSHA256, &in.ContentMD5)
	return in
}

// newID is one that nobody else has.
func newID() string {
	var chance [12]byte
	rand.Read(chance[:])
	return hex.EncodeToString(chance[:])
}

// putTail stores what is too small for a part. The name is new each time, so
// that an earlier state keeps its own tail.
func (s *Store) putTail(ctx context.Context, key string, content *buffer) (tail, error) {
	id := newID()
	if _, err := s.client.PutObject(ctx, s.put(s.tailName(key, id), content)); err != nil {
		return tail{}, failure(ctx, err)
	}
	return tail{id: id, size: content.bytes, sum: sumOf(content)}, nil
}

func sumOf(content *buffer) uint32 {
	h := crc32.New(castagnoli)
	_, _ = content.body().WriteTo(h)
	return h.Sum32()
}

// readTail puts a tail where the next part begins.
func (s *Store) readTail(ctx context.Context, key string, t tail, into *buffer) error {
	obj, err := blob.OpenRanged(ctx, s.ranges(s.tailName(key, t.id)), 0, t.size)
	if err != nil {
		return err
	}
	defer obj.Close()
	if obj.Size() != t.size {
		return blob.ErrShort
	}
	if _, err := io.Copy(into, io.NewSectionReader(obj, 0, t.size)); err != nil {
		return err
	}
	if sumOf(into) != t.sum {
		return fmt.Errorf("%w: the tail is damaged", blob.ErrShort)
	}
	return nil
}

// dropTails deletes tails and gives those that are left. That they are is no
// failure: Delete drops them too.
func (s *Store) dropTails(ctx context.Context, key string, ids []string) (left []string) {
	for _, id := range ids {
		if err := s.remove(ctx, s.tailName(key, id)); err != nil {
			left = append(left, id)
		}
	}
	return left
}

func (s *Store) remove(ctx context.Context, name string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &name})
	if isCode(err, "NoSuchKey") {
		return nil
	}
	return failure(ctx, err)
}
