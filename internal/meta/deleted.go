package meta

import (
	"time"

	"github.com/opencontainers/go-digest"
)

// DeletedManifest is a manifest that was deleted and can be restored.
type DeletedManifest struct {
	Digest       digest.Digest
	MediaType    string
	ImageSize    int64 // bytes, of everything it names
	Architecture string
	OS           string
	Locks        Locks
	Created      time.Time
	Updated      time.Time
	Deleted      time.Time
	Expires      time.Time // it cannot be restored from then on
}

// DeletedTag is a tag that was deleted and can be restored.
type DeletedTag struct {
	ID      int64 // grows with the time of deletion
	Name    string
	Digest  digest.Digest
	Deleted time.Time
	Expires time.Time // it cannot be restored from then on
}
