package sqlmeta

import "context"

// ExpireUploads removes at most n uploads whose time is over and leaves their
// objects to be removed. It returns how many it removed.
func (tx *Tx) ExpireUploads(n int) (int, error) {
	now := micros(tx.db.now())
	if _, err := tx.exec(`INSERT INTO gc_objects (storage_key, registry_id, delete_after)
		SELECT storage_key, registry_id, $1 FROM (SELECT * FROM uploads WHERE expires < $1 ORDER BY expires LIMIT $2)
		WHERE storage_key IS NOT NULL ON CONFLICT DO NOTHING`, now, n); err != nil {
		return 0, err
	}
	gone, err := tx.exec(`DELETE FROM uploads WHERE id IN (SELECT id FROM uploads WHERE expires < $1 ORDER BY expires LIMIT $2)`, now, n)
	return int(gone), err
}

// DueObjects lists at most n keys of objects that no row names and whose grace
// is over.
func (db *DB) DueObjects(ctx context.Context, n int) ([]string, error) {
	var keys *string
	err := db.row(ctx, `SELECT group_concat(storage_key, ' ') FROM (
		SELECT storage_key FROM gc_objects WHERE delete_after <= $1 ORDER BY delete_after LIMIT $2)`,
		micros(db.now()), n).Scan(&keys)
	return fields(keys), err
}

// ForgetObjects removes the rows of objects that are gone.
func (tx *Tx) ForgetObjects(keys []string) error {
	for _, key := range keys {
		if _, err := tx.exec(`DELETE FROM gc_objects WHERE storage_key = $1`, key); err != nil {
			return err
		}
	}
	return nil
}
