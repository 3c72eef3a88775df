package remote

import "github.com/opencontainers/go-digest"

// UploadStore remembers uploads that have begun and not ended, so that a later
// process goes on with them. An id is the location of an upload below the
// registry's origin; whoever knows it and may push can go on with it.
//
// Its methods may be called concurrently. What fails in it is for itself to
// deal with: nothing depends on it but speed.
type UploadStore interface {
	// Load returns the id of an upload, or "" if none is known.
	Load(registry, repo string, dgst digest.Digest) (id string)
	// Save remembers the id of an upload. An empty id forgets it.
	Save(registry, repo string, dgst digest.Digest, id string)
}
