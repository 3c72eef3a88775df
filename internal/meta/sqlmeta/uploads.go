package sqlmeta

import (
	"context"
	"errors"
	"time"

	"github.com/orlop/orlop/internal/meta"
)

// ErrTaken: the upload has not the version any more that was read: another
// request has changed it, or it is gone.
var ErrTaken = errors.New("the upload was changed by another request")

// Upload returns an upload that has received bytes or has ended; ErrNotFound if
// there is no row.
func (db *DB) Upload(ctx context.Context, registry int64, id string) (meta.Upload, error) {
	u := meta.Upload{ID: id}
	var key *string
	var expires, taken int64
	err := db.row(ctx, `SELECT repo, principal, storage_key, next_offset, state, cancelled, expires, version, taken
		FROM uploads WHERE registry_id = $1 AND id = $2`, registry, id).
		Scan(&u.Repo, &u.Principal, &key, &u.Offset, &u.State, &u.Ended, &expires, &u.Version, &taken)
	if key != nil {
		u.Key = *key
	}
	u.Expires, u.Taken = moment(expires), moment(taken)
	return u, err
}

// PutUpload stores the state of an upload, which has the next version then: a
// new one if the version is 0, else one that has the version still. ErrTaken if
// that is not so.
func (tx *Tx) PutUpload(registry int64, u meta.Upload) error {
	if u.Version == 0 {
		return tx.one(`INSERT INTO uploads (id, registry_id, repo, principal, storage_key, next_offset, state, cancelled, created, expires, taken, version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1) ON CONFLICT (id) DO NOTHING`,
			u.ID, registry, u.Repo, u.Principal, null(u.Key), u.Offset, u.State, u.Ended, micros(tx.db.now()), micros(u.Expires), micros(u.Taken))
	}
	return tx.one(`UPDATE uploads SET storage_key = $4, next_offset = $5, state = $6, cancelled = $7, expires = $8, taken = $9, version = version + 1
		WHERE registry_id = $1 AND id = $2 AND version = $3`,
		registry, u.ID, u.Version, null(u.Key), u.Offset, u.State, u.Ended, micros(u.Expires), micros(u.Taken))
}

// TakeUpload says until when a request is to be alone with an upload of a
// version, which has the next one then; the zero time lets go of it. ErrTaken.
func (tx *Tx) TakeUpload(registry int64, id string, version int64, until time.Time) error {
	return tx.one(`UPDATE uploads SET taken = $4, version = version + 1 WHERE registry_id = $1 AND id = $2 AND version = $3`,
		registry, id, version, micros(until))
}

// one runs a statement that changes the one row of an upload.
func (tx *Tx) one(query string, args ...any) error {
	n, err := tx.exec(query, args...)
	if err == nil && n == 0 {
		err = ErrTaken
	}
	return err
}

// DeleteUpload removes an upload and leaves its object, if any, to be removed.
// ErrTaken.
func (tx *Tx) DeleteUpload(registry int64, u meta.Upload) error {
	if err := tx.one(`DELETE FROM uploads WHERE registry_id = $1 AND id = $2 AND version = $3`, registry, u.ID, u.Version); err != nil {
		return err
	}
	return tx.dropUploaded(registry, u, "")
}

// EndUpload ends an upload whose content, if it had any, has become a blob in
// the same transaction, in the object key, or is given up; another object that
// the upload has is left to be removed. Its id is not to be used again until the
// upload expires. ErrTaken.
func (tx *Tx) EndUpload(registry int64, u meta.Upload, key string) error {
	ended := u
	ended.Key, ended.State, ended.Offset, ended.Ended, ended.Taken = "", nil, 0, true, time.Time{}
	if err := tx.PutUpload(registry, ended); err != nil {
		return err
	}
	return tx.dropUploaded(registry, u, key)
}

// FinishUpload is EndUpload without a trace: whoever calls it sees to it that
// the id is not used again.
func (tx *Tx) FinishUpload(registry int64, u meta.Upload, key string) error {
	if err := tx.one(`DELETE FROM uploads WHERE registry_id = $1 AND id = $2 AND version = $3`, registry, u.ID, u.Version); err != nil {
		return err
	}
	return tx.dropUploaded(registry, u, key)
}

// dropUploaded leaves the object of an upload to be removed, if it has one and
// it is not keep.
func (tx *Tx) dropUploaded(registry int64, u meta.Upload, keep string) error {
	if u.Key == "" || u.Key == keep {
		return nil
	}
	return tx.dropObjectAt(registry, u.Key, tx.db.now())
}

// DropObject leaves an object to be removed and is true, unless a blob or an
// upload has it.
func (tx *Tx) DropObject(registry int64, key string) (bool, error) {
	var named bool
	if err := tx.row(`SELECT EXISTS (SELECT 1 FROM blobs WHERE storage_key = $1)
		OR EXISTS (SELECT 1 FROM uploads WHERE storage_key = $1)`, key).Scan(&named); err != nil || named {
		return false, err
	}
	return true, tx.dropObjectAt(registry, key, tx.db.now())
}

// ForkObject notes an object that is made in place of another, and is to be
// removed from the time until on if PutUpload has not given it to the upload.
func (tx *Tx) ForkObject(registry int64, key string, until time.Time) error {
	return tx.dropObjectAt(registry, key, until)
}

// PutForked is PutUpload for an upload whose object was made in place of the
// object former, which is left to be removed.
func (tx *Tx) PutForked(registry int64, u meta.Upload, former string) error {
	if err := tx.PutUpload(registry, u); err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM gc_objects WHERE storage_key = $1`, u.Key); err != nil {
		return err
	}
	return tx.dropObjectAt(registry, former, tx.db.now())
}

func (tx *Tx) dropObjectAt(registry int64, key string, at time.Time) error {
	_, err := tx.exec(`INSERT INTO gc_objects (storage_key, registry_id, delete_after) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		key, registry, micros(at))
	return err
}
