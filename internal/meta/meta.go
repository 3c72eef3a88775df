// Package meta holds the words in which the engine and the metadata store
// speak to each other: rows as Go values, without SQL. meta/sqlmeta stores
// them.
package meta

import (
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// DefaultRegistry is the id of the registry that answers every host that names
// no other.
const DefaultRegistry int64 = 1

// Locks are the switches of a repository, tag or manifest; a set bit forbids.
// The zero value allows everything.
type Locks uint8

// Bits of Locks.
const (
	NoWrite Locks = 1 << iota
	NoDelete
	NoRead
	NoList
)

// Blob is a blob as stored: either Content (small) or Key (in the blob store).
type Blob struct {
	Digest  digest.Digest
	Size    int64
	Key     string
	Sums    []byte // CRC-32C of each MiB, 4 bytes big endian each; nil if Content is set
	Content []byte
	// Safe is until when the garbage collector leaves it, whatever happens, as known
	// when it was read; zero if unknown.
	Safe time.Time
}

// Manifest is a manifest with what the rules need to know of it.
type Manifest struct {
	Descriptor ocispec.Descriptor // with artifact type and annotations
	Raw        []byte
	Subject    digest.Digest        // "" if none
	Blobs      []ocispec.Descriptor // configuration and layers that must be present, each once
	Children   []digest.Digest      // manifests of an index, each once
	ConfigType string
	// ImageSize is the size of the manifest and all it names, in bytes.
	ImageSize    int64
	Architecture string
	OS           string
	// Sparse lets Blobs be missing from the repository.
	Sparse bool
	// Safe is as of Blob.
	Safe time.Time
}

// Upload is a resumable upload that has received bytes, or has ended.
type Upload struct {
	ID        string
	Repo      string
	Principal string
	Key       string
	Offset    int64
	State     []byte // hash and sums so far; see blob.Digester
	Ended     bool   // the id is not to be used any more
	Expires   time.Time
	Version   int64     // grows with every change; 0: not stored
	Taken     time.Time // until when a request is alone with it; zero: none is
}

// RepositoryInfo is a repository as ACR shows it.
type RepositoryInfo struct {
	Name          string
	Created       time.Time
	Updated       time.Time
	ManifestCount int64
	TagCount      int64
	Locks         Locks
}

// TagInfo is a tag as ACR shows it.
type TagInfo struct {
	Name    string
	Digest  digest.Digest
	Created time.Time
	Updated time.Time
	Locks   Locks
}

// ManifestInfo is a manifest as ACR shows it.
type ManifestInfo struct {
	Digest       digest.Digest
	MediaType    string
	ConfigType   string
	ArtifactType string
	Size         int64 // of the manifest itself
	ImageSize    int64
	Architecture string
	OS           string
	Tags         []string // by name; nil if none
	Created      time.Time
	Updated      time.Time
	Locks        Locks
}

// Order is the order of a listing.
type Order int

// Orders: by name or digest, or by the time of the last change.
const (
	ByName Order = iota
	NewestFirst
	OldestFirst
)

// TagQuery selects a page of tags. After is the name of the last tag of the
// page before, in whatever order; it need not exist any more.
type TagQuery struct {
	After  string
	N      int
	Order  Order
	Digest digest.Digest // only tags of this manifest, if not ""
}

// ManifestQuery selects a page of manifests; After is a digest.
type ManifestQuery struct {
	After string
	N     int
	Order Order
}

// Deleted tells what the removal of a repository took with it.
type Deleted struct {
	Manifests []digest.Digest
	Tags      []string
}
