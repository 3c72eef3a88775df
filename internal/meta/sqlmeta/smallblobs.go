package sqlmeta

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// PutBlobs is PutBlob for blobs whose content is kept here: all or none.
func (tx *Tx) PutBlobs(registry int64, repo string, blobs []meta.Blob) error {
	for _, b := range blobs {
		if _, err := tx.PutBlob(registry, repo, b); err != nil {
			return err
		}
	}
	return nil
}

// MaxBlobs is how many blobs one call of Blobs returns at most.
const MaxBlobs = 64

// blobsQuery has a place for each of MaxBlobs digests.
var blobsQuery = func() string {
	var places strings.Builder
	for i := range MaxBlobs {
		if i > 0 {
			places.WriteByte(',')
		}
		fmt.Fprintf(&places, "$%d", i+3)
	}
	return `SELECT b.digest, b.size, b.storage_key, b.sums, c.content
		FROM blobs b
		JOIN repositories r ON r.registry_id = b.registry_id AND r.name = $2 AND r.locks & 4 = 0
		JOIN repository_blobs l ON l.repo_id = r.id AND l.blob_id = b.id
		LEFT JOIN blob_contents c ON c.blob_id = b.id
		WHERE b.registry_id = $1 AND b.digest IN (` + places.String() + `)`
}()

// Blobs is Blob for at most MaxBlobs blobs. Those that Blob would not return
// are left out; the others come in no order, each once.
func (db *DB) Blobs(ctx context.Context, registry int64, repo string, digests []digest.Digest) ([]meta.Blob, error) {
	if len(digests) > MaxBlobs {
		return nil, fmt.Errorf("%d blobs were asked for at once", len(digests))
	}
	args := make([]any, 2+MaxBlobs) // what is not used is NULL, and equal to nothing
	args[0], args[1] = registry, repo
	for i, d := range digests {
		packed, err := packDigest(d)
		if err != nil {
			return nil, err
		}
		args[2+i] = packed
	}
	rows, err := db.rows(ctx, blobsQuery, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var blobs []meta.Blob
	for rows.Next() {
		var b meta.Blob
		var packed []byte
		var key *string
		if err := rows.Scan(&packed, &b.Size, &key, &b.Sums, &b.Content); err != nil {
			return nil, explain(err)
		}
		b.Digest = unpackDigest(packed)
		if key != nil {
			b.Key = *key
		}
		blobs = append(blobs, b)
	}
	return blobs, explain(rows.Err())
}
