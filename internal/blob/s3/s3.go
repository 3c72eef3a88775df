// Package s3 keeps objects in a bucket of a store that speaks the protocol of
// Amazon S3:
//
//	<prefix>/<2>/<key>        a committed object; <2> is the first two characters of the key
//	<prefix>/<2>/<key>!<id>   the tail of an upload: what was synced and is too small for a part
//
// An upload goes straight to its final key, as the parts of a multipart upload;
// nothing is moved or copied when it is committed. An object smaller than one
// part is stored by one request. What Sync returns names the multipart upload,
// the parts and the tail, so that any process goes on from there.
//
// # What two writers can do to each other
//
// Only one writes an object at a time: that is for the caller to see to. Where
// two do nevertheless, none of them commits what it has not written: a part that
// the other has replaced has another ETag, and the request that completes the
// upload names the ETags of all parts. It also demands that there is no such
// object yet.
package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/orlop/orlop/internal/blob"
)

// Options of a Store. Bucket is needed.
type Options struct {
	Bucket string
	Prefix string // of all keys, without a slash at its end; "" is none
	// Endpoint is the URL of the store; "" is that of Amazon for the region.
	Endpoint string
	// PublicEndpoint is the URL of the store as clients reach it, for URL; ""
	// is Endpoint.
	PublicEndpoint string
	// Region is the region of the bucket; "" is that of the environment or the
	// profile, and us-east-1 where there is none and an endpoint is given.
	Region string
	// PathStyle puts the bucket into the path, which is how most other stores
	// have it; false puts it into the name of the host.
	PathStyle bool
	// Checksum is what the store checks content by; "" is CRC32C.
	Checksum Checksum
	// Unconditional leaves out the demand that there is no object yet, for
	// stores that do not know it.
	Unconditional bool
	// KeyID and Secret are credentials; "" is the chain of the SDK: environment,
	// profile, web identity, role of the machine.
	KeyID, Secret string
	// Attempts is how often a request is sent before it is given up; 0 is 4.
	Attempts int
	// Backoff is the longest wait between two attempts; 0 is 3 s.
	Backoff time.Duration
	// Stall is how long a connection may go without a byte in either direction
	// while something is waited for; 0 is 1 minute. There is no other deadline.
	Stall time.Duration
}

func (o *Options) setDefaults() {
	o.Checksum = cmp.Or(o.Checksum, CRC32C)
	o.Attempts = cmp.Or(o.Attempts, 4)
	o.Backoff = cmp.Or(o.Backoff, 3*time.Second)
	o.Stall = cmp.Or(o.Stall, time.Minute)
}

// Store keeps objects in a bucket.
type Store struct {
	client *s3.Client
	public *s3.PresignClient
	close  func()

	bucket, prefix string // the prefix ends with a slash if there is one
	sum            Checksum
	unconditional  bool

	buffers chunks
}

var (
	_ blob.Store      = (*Store)(nil)
	_ blob.PartOpener = (*Store)(nil)
	_ blob.Signer     = (*Store)(nil)
	_ blob.Forker     = (*Store)(nil)
)

// Open makes a store. It sends no request; see Ping.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Bucket == "" {
		return nil, errors.New("open S3 store: no bucket")
	}
	o.setDefaults()
	if o.Checksum.header() == "" {
		return nil, fmt.Errorf("open S3 store: unknown checksum %q", o.Checksum)
	}
	client, public, closeAll, err := connect(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open S3 store: %w", err)
	}
	s := &Store{
		client: client, public: public, close: closeAll, bucket: o.Bucket, sum: o.Checksum, unconditional: o.Unconditional,
	}
	if prefix := strings.Trim(o.Prefix, "/"); prefix != "" {
		s.prefix = prefix + "/"
	}
	return s, nil
}

// Close closes connections that are not in use.
func (s *Store) Close() error {
	s.close()
	return nil
}

// Ping tells whether the bucket can be reached.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
	if err == nil {
		return nil
	}
	switch status(err) {
	case 301, 400:
		err = fmt.Errorf("the store refuses the request, which is how a wrong region looks: %w", err)
	case 403:
		err = fmt.Errorf("the credentials do not let in: %w", err)
	case 404:
		err = fmt.Errorf("there is no such bucket: %w", err)
	default:
		err = failure(ctx, err)
	}
	return fmt.Errorf("bucket %s: %w", s.bucket, err)
}

// tailMark parts the key from the id of a tail. It is no character of a key, and
// below all of them, so that a listing has an object and its tails side by side.
const tailMark = "!"

// name is where an object is. Names are in the order of the keys.
func (s *Store) name(key string) string {
	return s.prefix + shardOf(key) + "/" + key
}

// shardOf is two characters, the mark standing for one that is missing.
func shardOf(key string) string { return (key + tailMark + tailMark)[:2] }

func (s *Store) tailName(key, id string) string { return s.name(key) + tailMark + id }

// keyOf is the reverse of name and tailName; false for what is not of a Store.
func (s *Store) keyOf(name string) (key, tail string, ok bool) {
	name, ok = strings.CutPrefix(name, s.prefix)
	if !ok || len(name) < 3 || name[2] != '/' {
		return "", "", false
	}
	key, tail, _ = strings.Cut(name[3:], tailMark)
	return key, tail, blob.ValidateKey(key) == nil && shardOf(key) == name[:2]
}

func begin(ctx context.Context, key string) error {
	if err := blob.ValidateKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

// absent is the condition of a request that there is no object yet.
func (s *Store) absent() *string {
	if s.unconditional {
		return nil
	}
	return aws.String("*")
}
