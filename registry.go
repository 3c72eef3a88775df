package orlop

import (
	"context"
	"io"
	"iter"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Descriptor names content by media type, digest and size (image-spec,
// descriptor.md).
type Descriptor = ocispec.Descriptor

// MaxManifestSize is the largest manifest, in bytes, that is read or accepted.
// The distribution specification asks registries for at least this much.
const MaxManifestSize = 4 << 20

// Registry is an OCI registry: repositories that hold blobs, manifests that
// refer to blobs and to other manifests, and tags that name manifests.
//
// repo is a repository name without a host, such as "samples/artifact".
// A reference is a tag or a digest within a repository; IsDigest tells which.
// All methods may be called concurrently. Errors match the values of errors.go
// with errors.Is; a malformed name, tag or digest gives ErrNameInvalid,
// ErrTagInvalid or ErrDigestInvalid before anything is touched.
type Registry interface {
	Reader
	Writer
	Deleter
	Lister
}

// Reader reads manifests and blobs.
type Reader interface {
	// Resolve returns the descriptor of the manifest that reference names:
	// media type, digest, size. ErrNameUnknown or ErrManifestUnknown if absent.
	Resolve(ctx context.Context, repo, reference string) (Descriptor, error)

	// Manifest returns the manifest that reference names, its bytes as they
	// were pushed and checked against the digest. Errors as for Resolve.
	Manifest(ctx context.Context, repo, reference string) (Manifest, error)

	// StatBlob returns digest and size of a blob of the repository, without
	// opening its content. ErrBlobUnknown if it is absent or not linked to repo.
	StatBlob(ctx context.Context, repo string, dgst digest.Digest) (Descriptor, error)

	// OpenBlob opens n bytes of a blob from offset off; n < 0 means to the end,
	// and n is cut at the end. ErrBlobUnknown if absent, ErrRangeInvalid if off
	// is negative or beyond the size. A read that finds damage fails with
	// ErrDamaged before the last byte. The caller closes the reader.
	OpenBlob(ctx context.Context, repo string, dgst digest.Digest, off, n int64) (BlobReader, error)
}

// Writer stores blobs and manifests. What it reports as stored is durable as
// far as the implementation is.
type Writer interface {
	// PushBlob stores content of known digest and size in one go. It reads
	// exactly desc.Size bytes; other content fails with ErrDigestInvalid or
	// ErrSizeInvalid and leaves nothing. Pushing an existing blob succeeds.
	PushBlob(ctx context.Context, repo string, desc Descriptor, content io.Reader) error

	// MountBlob makes a blob of repository from available in repo without
	// sending it. ErrBlobUnknown if it cannot be mounted, for whatever reason;
	// the caller then pushes it.
	MountBlob(ctx context.Context, repo, from string, dgst digest.Digest) error

	// Upload starts a resumable upload if id is empty, or goes on with the
	// upload id (of this repository), positioned at what has arrived so far.
	// ErrUploadUnknown if there is no such upload.
	Upload(ctx context.Context, repo, id string) (BlobWriter, error)

	// PushManifest stores a manifest and makes the tags name it, all or none.
	// mediaType may be empty if the manifest says it. It returns the descriptor
	// with artifact type and annotations. ErrManifestInvalid, also if it gives a
	// wrong size of a blob; ErrManifestBlobUnknown if a blob it refers to is absent or not linked to
	// repo. The manifests of an index, a subject and foreign layers may be absent.
	PushManifest(ctx context.Context, repo, mediaType string, raw []byte, tags ...string) (Descriptor, error)
}

// DigestPusher is a Writer that can also store a manifest under a digest that
// is not its SHA-256, as a manifest of SHA-512 needs. Copy uses it where the
// Writer has it.
type DigestPusher interface {
	// PushManifestDigest is PushManifest under the digest dgst, which raw must
	// match, otherwise ErrDigestInvalid.
	PushManifestDigest(
		ctx context.Context, repo, mediaType string, dgst digest.Digest, raw []byte, tags ...string,
	) (Descriptor, error)
}

// TagCondition is what a tag must name before a push moves it.
type TagCondition struct {
	Match  digest.Digest // the tag must name this manifest; "" if that does not matter
	Absent bool          // nothing may have the tag
}

// ConditionalPusher is a Writer that can make a tag name a manifest only if the
// tag has not been moved by somebody else. Of several that demand the same, one
// gets its way.
type ConditionalPusher interface {
	// PushManifestIf is PushManifestDigest under one tag, if the condition holds at
	// that moment, otherwise ErrPreconditionFailed, and nothing is changed. exact is
	// false if the implementation cannot promise that the condition was looked at.
	PushManifestIf(
		ctx context.Context, repo, mediaType string, dgst digest.Digest, raw []byte, tag string, c TagCondition,
	) (exact bool, err error)
}

// MountPusher is a Writer that can begin the push of a blob with an attempt to
// mount it, in the one request that opens the upload, as a registry over HTTP
// can. Copy uses it where the Writer has it, and takes it for a sign that a
// question costs as much as the sending of a small blob.
type MountPusher interface {
	// PushOrMount is PushBlob, but nothing is sent if the registry can mount the
	// blob from the repository from; "" means from wherever the registry finds
	// it, which need not be tried where it would cost a request. content may
	// have been read when the blob is mounted.
	PushOrMount(ctx context.Context, repo, from string, desc Descriptor, content io.Reader) (mounted bool, err error)
}

// BlobChecker is a Writer that may compute the digests of the blobs it gets
// itself, in this process. Copy then lets an UncheckedReader leave it out, which
// halves the work.
type BlobChecker interface {
	// ChecksBlobs tells whether PushBlob does so.
	ChecksBlobs() bool
}

// UncheckedReader is a BlobReader that can leave out to check a whole blob,
// where the one who reads checks it.
type UncheckedReader interface {
	// Unchecked is called before the first Read.
	Unchecked()
}

// SmallReader is a Reader that reads small blobs with fewer requests than one
// for each, if many are asked for at once. ReadSmall and Copy use it, and Copy
// then has more blobs under way.
type SmallReader interface {
	// ReadBlob returns the content of the blob that desc describes, verified; see
	// ReadSmall.
	ReadBlob(ctx context.Context, repo string, desc Descriptor) ([]byte, error)
}

// Expecter is a Writer that puts blobs one behind the other, as into a tar file,
// and wants to do so in the same order every time. Copy announces the blobs of a
// manifest where the Writer wants it, and then copies one manifest after the
// other.
type Expecter interface {
	// Expect announces blobs in order. They may come in any order, or not at
	// all. It returns whether the Writer wants to know, also without blobs.
	Expect(repo string, blobs []Descriptor) bool
}

// Deleter removes things.
type Deleter interface {
	// DeleteBlob unlinks a blob from the repository. ErrBlobUnknown if absent.
	DeleteBlob(ctx context.Context, repo string, dgst digest.Digest) error
	// DeleteManifest removes a manifest and all tags that name it.
	// ErrManifestUnknown if absent.
	DeleteManifest(ctx context.Context, repo string, dgst digest.Digest) error
	// DeleteTag removes a tag and leaves its manifest. ErrManifestUnknown if
	// absent.
	DeleteTag(ctx context.Context, repo, tag string) error
}

// Lister lists names in byte order, each page as it is needed. Listing goes on
// strictly after the name after, which need not exist; "" starts at the first.
type Lister interface {
	// Repositories lists the repositories that the caller may see.
	Repositories(ctx context.Context, after string) iter.Seq2[string, error]
	// Tags lists the tags of a repository. ErrNameUnknown if it is absent.
	Tags(ctx context.Context, repo, after string) iter.Seq2[string, error]
	// Referrers lists the manifests whose subject is dgst, with artifact type
	// and annotations, only those of artifactType if it is not empty. A subject
	// that is unknown has no referrers; that is no error.
	Referrers(ctx context.Context, repo string, dgst digest.Digest, artifactType string) iter.Seq2[Descriptor, error]
}

// Manifest is a manifest as stored.
type Manifest struct {
	Descriptor Descriptor
	Raw        []byte // as received; never re-encoded
}

// BlobReader reads the content of a blob, or a range of it. A whole blob it
// verifies; see Reader.OpenBlob.
type BlobReader interface {
	io.ReadCloser
	// Descriptor describes the whole blob, whatever range is read.
	Descriptor() Descriptor
}

// BlobWriter is a resumable upload in progress. It is used by one goroutine.
type BlobWriter interface {
	// Write appends to the upload. After an error the upload may be resumed
	// from what Offset tells after it was opened again.
	io.Writer
	// ID names the upload for Writer.Upload. It may change with every Write, and
	// is known after Close too.
	ID() string
	// Offset is how many bytes have been written.
	Offset() int64
	// Commit ends the upload: the content must match dgst, otherwise
	// ErrDigestInvalid and no blob. It returns the blob's descriptor.
	Commit(ctx context.Context, dgst digest.Digest) (Descriptor, error)
	// Cancel ends the upload and drops what has arrived.
	Cancel(ctx context.Context) error
	// Close keeps what has arrived, to be resumed. After Commit or Cancel it
	// does nothing.
	Close() error
}

// IsDigest tells whether a reference is a digest rather than a tag: a tag
// cannot contain a colon.
func IsDigest(reference string) bool { return strings.Contains(reference, ":") }
