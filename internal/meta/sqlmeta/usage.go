package sqlmeta

import "context"

// StoredSize is the size of the blobs of a registry, in bytes, each counted
// once. It reads all their rows.
func (db *DB) StoredSize(ctx context.Context, registry int64) (int64, error) {
	var size int64
	err := db.row(ctx, `SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM blobs WHERE registry_id = $1`, registry).Scan(&size)
	return size, err
}
