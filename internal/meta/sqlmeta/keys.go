package sqlmeta

import (
	"context"
	"errors"
)

// ServerKey returns the key that the server keeps under an id; if there is
// none, fresh becomes it.
func (db *DB) ServerKey(ctx context.Context, id string, fresh []byte) ([]byte, error) {
	var key []byte
	err := db.row(ctx, `SELECT secret FROM server_keys WHERE id = $1`, id).Scan(&key)
	if !errors.Is(err, ErrNotFound) {
		return key, err
	}
	if err := db.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(`INSERT INTO server_keys (id, purpose, secret, created) VALUES ($1, $1, $2, $3) ON CONFLICT DO NOTHING`,
			id, fresh, micros(db.now()))
		return err
	}); err != nil {
		return nil, err
	}
	err = db.row(ctx, `SELECT secret FROM server_keys WHERE id = $1`, id).Scan(&key)
	return key, err
}
