// Package smallblobs is the format in which many small blobs move in one
// request: an extension of the distribution API that package distapi serves and
// package remote uses where a registry says that it has it. See
// docs/design/0010-small-blobs-together.md.
//
// Blobs are sent one behind the other as frames, each a line of digest and size
// and then the content:
//
//	sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae 3
//	foo
//
// In an answer, the size -1 and no content stand for a blob that is not sent
// here: it is to be asked for alone, and the answer to that tells why. A list of
// digests has one on each line.
//
// Whatever is read was written by a stranger: everything here is bounded.
package smallblobs

import (
	_ "crypto/sha256" // the algorithms of digests
	_ "crypto/sha512"
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"
)

// How a registry tells that it has the extension: the header of its answers
// under /v2/, a list of names, and the name.
const (
	Header = "Orlop-Extensions"
	Name   = "blobs"
)

// Conditions is the name in the same list by which a registry tells that it heeds
// If-Match and If-None-Match where a manifest is put under a tag.
const Conditions = "conditions"

// The bounds of one request, for lists and frames alike.
const (
	MaxBlobs = 512      // how many
	MaxBlob  = 64 << 10 // bytes of one
	MaxTotal = 1 << 20  // bytes of all together
)

// The media types of lists and frames.
const (
	MediaTypeList   = "text/plain; charset=utf-8"
	MediaTypeFrames = "application/vnd.orlop.blobs.v1"
)

// Paths end in these, behind /v2/ and the name of the repository.
const (
	ReadPath  = "/_orlop/blobs/read"  // POST a list, get frames
	WritePath = "/_orlop/blobs/write" // POST frames
)

// Errors of what was read. Both are of the one who sent it.
var (
	ErrFormat   = errors.New("malformed frames of blobs")
	ErrTooLarge = errors.New("too many blobs, or too large ones, in one request")
)

// Offered tells whether the values of Header name the extension.
func Offered(values []string) bool { return Names(values, Name) }

// Names tells whether the values of Header have a name.
func Names(values []string, wanted string) bool {
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			if strings.TrimSpace(name) == wanted {
				return true
			}
		}
	}
	return false
}

// Blob is a blob of a frame. Its content may be another than its digest says,
// see Whole.
type Blob struct {
	Digest  digest.Digest
	Content []byte // nil if it is not sent; never nil in a request
}

// Whole tells whether the content is what the digest says.
func (b Blob) Whole() bool { return b.Digest.Algorithm().FromBytes(b.Content) == b.Digest }
