package registry

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// An upload id is 32 hex digits of chance, 12 of the time it was made (Unix
// seconds) and 32 of a keyed hash over both, the registry, the repository and
// the actor. So starting an upload writes nothing, no other actor can use it,
// and every node with the key knows it.
const (
	chanceDigits = 32
	timeDigits   = 12
	macDigits    = 32
	idDigits     = chanceDigits + timeDigits + macDigits
)

// uploads makes and checks upload ids, and knows those in use and those that
// have ended lately. An id that ended before that, or before a restart, looks
// like that of an upload which has received nothing, and is used as one.
type uploads struct {
	key    []byte
	active sync.Map // id -> struct{}: one request at a time

	mu     sync.Mutex
	ended  map[string]bool // guarded by mu
	before map[string]bool // guarded by mu; those that ended before ended was begun
}

// maxEnded bounds how many ids each of ended and before holds.
const maxEnded = 8192

// end notes that an upload is no more.
func (u *uploads) end(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended == nil || len(u.ended) >= maxEnded {
		u.ended, u.before = make(map[string]bool), u.ended
	}
	u.ended[id[:chanceDigits]] = true
}

// over tells whether an upload has ended lately.
func (u *uploads) over(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ended[id[:chanceDigits]] || u.before[id[:chanceDigits]]
}

// uploadKeys is the purpose of the key of upload ids.
const uploadKeys = "upload-ids"

// uploadKey returns the key of upload ids, made at the first start.
func uploadKey(ctx context.Context, db *sqlmeta.DB, now time.Time) ([]byte, error) {
	keys, err := db.ServerKeys(ctx, uploadKeys)
	if err == nil && len(keys) == 0 {
		fresh := meta.ServerKey{ID: rand.Text(), Purpose: uploadKeys, Secret: make([]byte, 32), Created: now}
		rand.Read(fresh.Secret)
		if err = db.EnsureServerKey(ctx, fresh); err == nil {
			keys, err = db.ServerKeys(ctx, uploadKeys)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of upload ids: %w", err)
	}
	return keys[0].Secret, nil
}

// newUploadID makes an id for an upload of the actor into a repository.
func (r *Registry) newUploadID(repo string) string {
	raw := make([]byte, chanceDigits/2, idDigits/2)
	rand.Read(raw)
	raw = append(raw, unix48(r.opts.Now())...)
	return hex.EncodeToString(append(raw, r.uploadMAC(raw, repo)...))
}

// unix48 is a time in seconds as 6 bytes.
func unix48(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.Unix()))[2:]
}

func (r *Registry) uploadMAC(raw []byte, repo string) []byte {
	mac := hmac.New(sha256.New, r.uploads.key)
	mac.Write(raw)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(r.id)))
	mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(repo))))
	mac.Write([]byte(repo))
	mac.Write([]byte(r.actor.ID))
	return mac.Sum(nil)[:macDigits/2]
}

// checkUploadID refuses ids that were not made for this repository and actor,
// and expired ones, all alike.
func (r *Registry) checkUploadID(repo, id string) error {
	raw, err := hex.DecodeString(id)
	if err != nil || len(id) != idDigits || id != strings.ToLower(id) {
		return orlop.ErrUploadUnknown
	}
	raw, mac := raw[:len(raw)-macDigits/2], raw[len(raw)-macDigits/2:]
	if !hmac.Equal(mac, r.uploadMAC(raw, repo)) {
		return orlop.ErrUploadUnknown
	}
	if r.opts.Now().After(r.expires(id)) {
		return orlop.ErrUploadUnknown
	}
	return nil
}

// expires tells until when an upload may be resumed.
func (r *Registry) expires(id string) time.Time {
	var seconds [8]byte
	hex.Decode(seconds[2:], []byte(id[chanceDigits:chanceDigits+timeDigits]))
	return time.Unix(int64(binary.BigEndian.Uint64(seconds[:])), 0).Add(r.opts.UploadLife)
}

// claim makes this request the only one that uses an upload.
func (u *uploads) claim(id string) (release func(), err error) {
	if _, busy := u.active.LoadOrStore(id, struct{}{}); busy {
		return nil, &busyError{usualWait}
	}
	return sync.OnceFunc(func() { u.active.Delete(id) }), nil
}
