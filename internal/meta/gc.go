package meta

import (
	"time"

	"github.com/opencontainers/go-digest"
)

// Removal is content that the garbage collector is about to remove, as caches
// know it.
type Removal struct {
	Registry     int64
	Digest       digest.Digest
	Manifest     bool     // else a blob
	Repositories []string // that served it
}

// Review is what one step of the garbage collector has found.
type Review struct {
	Removed int // rows
	Kept    int // found in use
	// Postponed counts rows that somebody else is working on, or that a lock
	// keeps: they are looked at again.
	Postponed int
	Freed     int64 // bytes that were in the metadata store
	Objects   int   // that are to be removed later
	Later     int64 // bytes of these
	More      bool  // there may be more that is due
}

// Object is content in the blob store that no row names any more.
type Object struct {
	Key  string
	Size int64 // bytes; 0 if unknown
}

// GCQueue is how much waits in a queue of the garbage collector. Counts go up
// to MaxGCCount.
type GCQueue struct {
	Rows   int       // all
	Due    int       // that can be looked at now
	Oldest time.Time // since when the first of these is due; zero if none is
}

// MaxGCCount is the largest count of a GCQueue: counting more costs more than it
// tells.
const MaxGCCount = 10_000

// GCQueues are the queues of the garbage collector.
type GCQueues struct{ Blobs, Manifests, Objects GCQueue }

// Kinds of a Finding.
const (
	GCBlob     = "blob"
	GCManifest = "manifest"
	GCObject   = "object"
	GCUpload   = "upload"
	GCDeleted  = "deleted" // a manifest that can be restored no more
)

// Finding is what a garbage collector would say of something.
type Finding struct {
	Kind         string        `json:"kind"`
	Repositories []string      `json:"repositories,omitempty"` // some of those that have it
	Digest       digest.Digest `json:"digest,omitempty"`       // "" of uploads and objects
	Name         string        `json:"name,omitempty"`         // the id of an upload, the key of an object
	Size         int64         `json:"size"`                   // bytes
	// Since is when it was last used or lost its use, as far as that is known;
	// a use since then may have put it off.
	Since  time.Time `json:"since,omitzero"`
	Goes   bool      `json:"goes"`   // now
	Reason string    `json:"reason"` // why it goes or stays
}
