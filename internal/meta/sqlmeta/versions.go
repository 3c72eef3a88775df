package sqlmeta

import (
	"context"
	"errors"
)

// identities is the topic of principals, of what they may do, and of the keys of
// the server.
const identities = "identities"

// IdentityVersion grows with every change of principals, scope maps, server keys
// and how registries are open, by whichever process.
func (db *DB) IdentityVersion(ctx context.Context) (int64, error) {
	var version int64
	err := db.row(ctx, `SELECT version FROM versions WHERE name = $1`, identities).Scan(&version)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	return version, err
}

// changeIdentities is Update for what IdentityVersion counts. Such changes take
// turns, so that each sees what the one before it did.
func (db *DB) changeIdentities(ctx context.Context, fn func(*Tx) error) error {
	return db.Update(ctx, func(tx *Tx) error {
		if _, err := tx.exec(`INSERT INTO versions (name, version) VALUES ($1, 1)
			ON CONFLICT (name) DO UPDATE SET version = versions.version + 1`, identities); err != nil {
			return err
		}
		return fn(tx)
	})
}
