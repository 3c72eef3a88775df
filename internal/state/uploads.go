package state

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/remote"
)

// uploadAge is how long an upload is worth going on with: registries drop
// theirs after some days.
const uploadAge = 7 * 24 * time.Hour

// Uploads remembers uploads that have begun. It may be used concurrently, also
// by several processes: an upload belongs to the process that has begun it, or
// went on with it, until that forgets it or ends.
type Uploads struct {
	entries *folder
	locks   locks
}

var _ remote.UploadStore = (*Uploads)(nil)

// NewUploads returns the uploads below a directory, which is made when it is
// needed. What goes wrong is logged at level debug.
func NewUploads(dir string, log *slog.Logger) *Uploads {
	entries := newFolder(filepath.Join(dir, "uploads"), log)
	return &Uploads{entries: entries, locks: locks{folder: entries}}
}

// upload is an entry. What it is about is in it too, for its name is a hash.
type upload struct {
	Registry   string        `json:"registry"`
	Repository string        `json:"repository"`
	Digest     digest.Digest `json:"digest"`
	ID         string        `json:"id"`
}

// Load implements remote.UploadStore.
func (u *Uploads) Load(registry, repo string, dgst digest.Digest) string {
	var e upload
	name := uploadName(registry, repo, dgst)
	if !u.entries.load(name, &e) || !u.locks.claim(name) {
		return ""
	}
	return e.ID
}

// Save implements remote.UploadStore.
func (u *Uploads) Save(registry, repo string, dgst digest.Digest, id string) {
	name := uploadName(registry, repo, dgst)
	if id == "" {
		u.entries.remove(name)
		u.locks.release(name)
		return
	}
	if !u.locks.claim(name) {
		return // another process has an upload of its own of the same blob
	}
	e := upload{Registry: registry, Repository: repo, Digest: dgst, ID: id}
	u.entries.save(name, e, time.Now().Add(uploadAge))
}

func uploadName(registry, repo string, dgst digest.Digest) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{registry, repo, dgst.String()}, "\n")))
	return hex.EncodeToString(sum[:])
}
