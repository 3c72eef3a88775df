package s3

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"math"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/orlop/orlop/internal/blob"
)

// What S3 allows: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const (
	maxParts = 10_000
	minPart  = 5 << 20 // bytes, of all parts but the last
)

// Parts of 8 MiB take little memory. From flatParts on they grow, so that 10,000
// of them hold 5 TiB.
const (
	firstPart = 8 << 20
	flatParts = 1350
)

// partSize is the size of a part in bytes; parts count from 1.
func partSize(number int) int64 {
	if number <= flatParts {
		return firstPart
	}
	mib := math.Ceil(firstPart / (1 << 20) * math.Exp(float64(number-flatParts)/flatParts))
	return int64(mib) << 20
}

// shortPart is the least that is sent as a part where an upload is synced. It is
// half of a part, so that uploads that are synced often do not run out of parts.
func shortPart(number int) int64 { return max(minPart, partSize(number)/2) }

// partSize is the size of a part, which is less where memory is scarce.
func (s *Store) partSize(number int) int64 {
	if s.buffers.scarce() {
		return shortPart(number)
	}
	return partSize(number)
}

var _ blob.Chunked = (*Store)(nil)

// ChunkMin implements blob.Chunked: less than a part is kept aside until more
// comes.
func (*Store) ChunkMin() int64 { return minPart }

// part is one that the store has.
type part struct {
	size int64
	etag string // without quotes
	sum  string // as the store has it, in base64; "" if it keeps none
}

// Checksum names what a store checks content by when it arrives.
type Checksum string

// The checksums. MD5 is the header Content-MD5, which every store knows.
const (
	CRC32C Checksum = "crc32c"
	SHA256 Checksum = "sha256"
	MD5    Checksum = "md5"
)

// header is the name of the header, "" for an unknown checksum.
func (c Checksum) header() string {
	switch c {
	case CRC32C, SHA256:
		return "x-amz-checksum-" + string(c)
	case MD5:
		return "Content-MD5"
	}
	return ""
}

// algorithm is what a multipart upload is created with.
func (c Checksum) algorithm() types.ChecksumAlgorithm {
	switch c {
	case CRC32C:
		return types.ChecksumAlgorithmCrc32c
	case SHA256:
		return types.ChecksumAlgorithmSha256
	}
	return ""
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// of is the checksum of a buffer, in base64.
func (c Checksum) of(b *buffer) string {
	var h hash.Hash
	switch c {
	case CRC32C:
		h = crc32.New(castagnoli)
	case SHA256:
		h = sha256.New()
	default:
		h = md5.New()
	}
	_, _ = b.body().WriteTo(h)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// sendPart sends a part. One that was sent before under the same number is
// replaced.
func (s *Store) sendPart(ctx context.Context, key, upload string, number int, sum Checksum, b *buffer) (part, error) {
	in := &s3.UploadPartInput{
		Bucket: &s.bucket, Key: aws.String(s.name(key)), UploadId: &upload, PartNumber: aws.Int32(int32(number)),
		Body: b.body(), ContentLength: aws.Int64(b.bytes),
	}
	sum.set(sum.of(b), &in.ChecksumCRC32C, &in.ChecksumSHA256, &in.ContentMD5)
	out, err := s.client.UploadPart(ctx, in)
	if err != nil {
		return part{}, failure(ctx, err)
	}
	p := part{size: b.bytes, etag: unquote(out.ETag)}
	switch sum {
	case CRC32C:
		p.sum = aws.ToString(out.ChecksumCRC32C)
	case SHA256:
		p.sum = aws.ToString(out.ChecksumSHA256)
	}
	return p, nil
}

// set puts a checksum into the field of a request where it belongs.
func (c Checksum) set(sum string, crc32c, sha256, md5 **string) {
	switch c {
	case CRC32C:
		*crc32c = &sum
	case SHA256:
		*sha256 = &sum
	case MD5:
		*md5 = &sum
	}
}

// completed is a part as the request that completes an upload names it.
func (s *Store) completed(number int, p *part) types.CompletedPart {
	c := types.CompletedPart{PartNumber: aws.Int32(int32(number)), ETag: aws.String(`"` + p.etag + `"`)}
	if p.sum != "" {
		var none *string
		s.sum.set(p.sum, &c.ChecksumCRC32C, &c.ChecksumSHA256, &none)
	}
	return c
}

func unquote(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

// composite is the ETag of an object made of parts; "" if their ETags are not
// the usual ones.
func composite(parts []*part) string {
	h := md5.New()
	for _, p := range parts {
		sum, err := hex.DecodeString(p.etag)
		if err != nil || len(sum) != md5.Size {
			return ""
		}
		h.Write(sum)
	}
	return hex.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(parts))
}
