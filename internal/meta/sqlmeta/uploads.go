package sqlmeta

import (
	"context"

	"github.com/orlop/orlop/internal/meta"
)

// Upload returns an upload that has received bytes or was cancelled;
// ErrNotFound if there is no row.
func (db *DB) Upload(ctx context.Context, registry int64, id string) (meta.Upload, error) {
	u := meta.Upload{ID: id}
	var key *string
	var expires int64
	err := db.row(ctx, `SELECT repo, principal, storage_key, next_offset, state, cancelled, expires
		FROM uploads WHERE registry_id = $1 AND id = $2`, registry, id).
		Scan(&u.Repo, &u.Principal, &key, &u.Offset, &u.State, &u.Cancelled, &expires)
	if key != nil {
		u.Key = *key
	}
	u.Expires = moment(expires)
	return u, err
}

// PutUpload stores the state of an upload, new or known.
func (tx *Tx) PutUpload(registry int64, u meta.Upload) error {
	_, err := tx.exec(`INSERT INTO uploads (id, registry_id, repo, principal, storage_key, next_offset, state, cancelled, created, expires)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (id) DO UPDATE SET storage_key = excluded.storage_key, next_offset = excluded.next_offset,
			state = excluded.state, cancelled = excluded.cancelled`,
		u.ID, registry, u.Repo, u.Principal, null(u.Key), u.Offset, u.State, u.Cancelled, micros(tx.db.now()), micros(u.Expires))
	return err
}

// DeleteUpload removes an upload. An absent one is no error.
func (tx *Tx) DeleteUpload(registry int64, id string) error {
	_, err := tx.exec(`DELETE FROM uploads WHERE registry_id = $1 AND id = $2`, registry, id)
	return err
}

// FinishUpload removes an upload whose content becomes a blob in the same
// transaction, in the object key or in none; another that the upload has is
// left to be removed. ErrNotFound if the upload has expired meanwhile: its
// object is to be removed then, and must not become a blob's.
func (tx *Tx) FinishUpload(registry int64, id, key string) error {
	if _, err := tx.exec(`INSERT INTO gc_objects (storage_key, registry_id, delete_after)
		SELECT storage_key, registry_id, $4 FROM uploads
		WHERE registry_id = $1 AND id = $2 AND storage_key <> $3 ON CONFLICT DO NOTHING`,
		registry, id, key, micros(tx.db.now())); err != nil {
		return err
	}
	n, err := tx.exec(`DELETE FROM uploads WHERE registry_id = $1 AND id = $2`, registry, id)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// CancelUpload ends an upload and leaves its object, if any, to be removed.
func (tx *Tx) CancelUpload(registry int64, u meta.Upload) error {
	u.Cancelled, u.State = true, nil
	if err := tx.PutUpload(registry, u); err != nil {
		return err
	}
	if u.Key == "" {
		return nil
	}
	return tx.dropObject(registry, u.Key)
}
