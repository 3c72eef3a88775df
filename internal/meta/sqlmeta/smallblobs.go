package sqlmeta

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop/internal/meta"
)

// MaxBlobs is how many blobs one call of Blobs or PutBlobs takes at most.
const MaxBlobs = manyRows

// PutBlobs is PutBlob for blobs whose content is kept here: all or none.
func (tx *Tx) PutBlobs(registry int64, repo string, blobs []meta.Blob) error {
	repoID, err := tx.ensureRepository(registry, repo)
	if err != nil {
		return err
	}
	there, err := tx.blobIDs(registry, blobs)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Values(there)) {
		if err := tx.link(registry, repoID, id); err != nil {
			return err
		}
	}
	return tx.insertBlobs(registry, repoID, slices.DeleteFunc(slices.Clone(blobs), func(b meta.Blob) bool {
		_, ok := there[b.Digest]
		there[b.Digest] = 0 // once
		return ok
	}))
}

// insertBlobs stores blobs that the registry does not have, and links them.
func (tx *Tx) insertBlobs(registry, repo int64, blobs []meta.Blob) error {
	n := len(blobs)
	inserts := []struct {
		head string
		rows [][]any
	}{
		{`INSERT INTO blobs (id, registry_id, digest, size, sums, created)`, make([][]any, n)},
		{`INSERT INTO blob_contents (blob_id, registry_id, content)`, make([][]any, n)},
		{`INSERT INTO repository_blobs (repo_id, blob_id, registry_id, linked)`, make([][]any, n)},
		{`INSERT INTO gc_blob_queue (blob_id, registry_id, review_after)`, make([][]any, n)},
	}
	ids := make([]int64, n)
	now, after := tx.db.now(), micros(tx.reviewAfter())
	for i, b := range blobs {
		dgst, err := packDigest(b.Digest)
		if err != nil {
			return err
		}
		id := tx.db.ids.next(now)
		ids[i] = id
		inserts[0].rows[i] = []any{id, registry, dgst, b.Size, b.Sums, micros(now)}
		if b.Content == nil {
			b.Content = []byte{} // not NULL
		}
		inserts[1].rows[i] = []any{id, registry, b.Content}
		inserts[2].rows[i] = []any{repo, id, registry, micros(now)}
		inserts[3].rows[i] = []any{id, registry, after}
	}
	for _, insert := range inserts {
		if err := tx.insertMany(insert.head, insert.rows); err != nil {
			return err
		}
	}
	if !tx.db.mayBeSparse() {
		return nil
	}
	for _, id := range ids {
		if err := tx.fill(registry, repo, id); err != nil {
			return err
		}
	}
	return nil
}

// blobIDs returns the ids of those of at most MaxBlobs blobs that are there.
func (tx *Tx) blobIDs(registry int64, blobs []meta.Blob) (map[digest.Digest]int64, error) {
	digests := make([]digest.Digest, len(blobs))
	for i, b := range blobs {
		digests[i] = b.Digest
	}
	in, args, err := withDigests(digests, registry)
	if err != nil {
		return nil, err
	}
	rows, err := tx.rows(`SELECT id, digest FROM blobs WHERE registry_id = $1 AND digest IN (`+in+`)`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	ids := map[digest.Digest]int64{}
	for rows.Next() {
		var id int64
		var packed []byte
		if err := rows.Scan(&id, &packed); err != nil {
			return nil, explain(err)
		}
		ids[unpackDigest(packed)] = id
	}
	return ids, explain(rows.Err())
}

// linkedBlob is a blob that is linked to a repository.
type linkedBlob struct{ id, size int64 }

// linked returns those of at most MaxBlobs blobs that are linked to a repository.
func (tx *Tx) linked(registry, repo int64, blobs []ocispec.Descriptor) (map[digest.Digest]linkedBlob, error) {
	digests := make([]digest.Digest, len(blobs))
	for i, b := range blobs {
		digests[i] = b.Digest
	}
	in, args, err := withDigests(digests, registry, repo)
	if err != nil {
		return nil, err
	}
	rows, err := tx.rows(`SELECT b.id, b.size, b.digest FROM blobs b JOIN repository_blobs l ON l.blob_id = b.id AND l.repo_id = $2
		WHERE b.registry_id = $1 AND b.digest IN (`+in+`)`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[digest.Digest]linkedBlob, len(blobs))
	for rows.Next() {
		var b linkedBlob
		var packed []byte
		if err := rows.Scan(&b.id, &b.size, &packed); err != nil {
			return nil, explain(err)
		}
		found[unpackDigest(packed)] = b
	}
	return found, explain(rows.Err())
}

// withDigests adds at most MaxBlobs digests to the arguments of a query, and
// returns the places for them, of which there are 1, 2, 4, … so that there are few
// queries to be prepared. Those that are not used are NULL, and equal to nothing.
func withDigests(digests []digest.Digest, args ...any) (string, []any, error) {
	if len(digests) > MaxBlobs {
		return "", nil, fmt.Errorf("%d blobs were asked for at once", len(digests))
	}
	n := 1
	for n < len(digests) {
		n *= 2
	}
	var b strings.Builder
	places(&b, len(args)+1, n)
	for _, d := range digests {
		packed, err := packDigest(d)
		if err != nil {
			return "", nil, err
		}
		args = append(args, packed)
	}
	return b.String(), append(args, make([]any, n-len(digests))...), nil
}

// Blobs is Blob for at most MaxBlobs blobs. Those that Blob would not return
// are left out; the others come in no order, each once.
func (db *DB) Blobs(ctx context.Context, registry int64, repo string, digests []digest.Digest) ([]meta.Blob, error) {
	in, args, err := withDigests(digests, registry, repo)
	if err != nil {
		return nil, err
	}
	rows, err := db.rows(ctx, `SELECT b.digest, b.size, b.storage_key, b.sums, c.content
		FROM blobs b
		JOIN repositories r ON r.registry_id = b.registry_id AND r.name = $2 AND r.locks & 4 = 0
		JOIN repository_blobs l ON l.repo_id = r.id AND l.blob_id = b.id
		LEFT JOIN blob_contents c ON c.blob_id = b.id
		WHERE b.registry_id = $1 AND b.digest IN (`+in+`)`, args...)
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
