package sqlmeta

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop/internal/meta"
)

// contents tells where the content of rows is that have a digest: of ids from $1
// to $2.
var contents = map[string]struct{ kind, query string }{
	"blobs":             {"blob", `SELECT blob_id, content FROM blob_contents WHERE blob_id >= $1 AND blob_id <= $2`},
	"manifests":         {"manifest", `SELECT manifest_id, payload FROM manifest_payloads WHERE manifest_id >= $1 AND manifest_id <= $2`},
	"deleted_manifests": {"deleted manifest", `SELECT id, payload FROM deleted_manifests WHERE id >= $1 AND id <= $2`},
}

// verified are those of new rows whose content is what their digests say; of
// blobs in the blob store it has been brought to the other side then.
func (c *Copier) verified(ctx context.Context, p *plan, fresh [][]any) ([][]any, error) {
	if contents[p.name].query == "" || len(fresh) == 0 {
		return fresh, nil
	}
	bad := map[int64]error{}
	if err := c.checkStored(p, fresh, bad); err != nil {
		return nil, err
	}
	if p.name == "blobs" {
		if err := c.bringObjects(ctx, p, fresh, bad); err != nil {
			return nil, err
		}
	}
	good := fresh[:0]
	for _, row := range fresh {
		id := row[0].(int64)
		if bad[id] == nil {
			good = append(good, row)
			continue
		}
		if err := c.leaveOut(ctx, p, row, bad[id]); err != nil {
			return nil, err
		}
	}
	return good, nil
}

// checkStored looks at content that is in the database itself.
func (c *Copier) checkStored(p *plan, fresh [][]any, bad map[int64]error) error {
	want := map[int64]digest.Digest{}
	for _, row := range fresh {
		if p.name == "blobs" && row[p.column("storage_key")] != nil {
			continue
		}
		want[row[0].(int64)] = p.digest(row)
	}
	if len(want) == 0 {
		return nil
	}
	found, err := c.from.rows(contents[p.name].query, fresh[0][0], fresh[len(fresh)-1][0])
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var id int64
		var content []byte
		if err := found.Scan(&id, &content); err != nil {
			return err
		}
		if dgst := want[id]; dgst != "" && dgst.Algorithm().FromBytes(content) != dgst {
			bad[id] = fmt.Errorf("%w: the content has another digest", ErrLeftOut)
		}
		delete(want, id)
	}
	for id := range want {
		bad[id] = fmt.Errorf("%w: there is no content", ErrLeftOut)
	}
	return errors.Join(found.Err(), found.Close())
}

// digest is that of a row.
func (p *plan) digest(row []any) digest.Digest { return unpackDigest(row[p.column("digest")].([]byte)) }

// bringObjects lets the caller copy content that is in the blob store.
func (c *Copier) bringObjects(ctx context.Context, p *plan, fresh [][]any, bad map[int64]error) error {
	var ids []int64
	var blobs []meta.Blob
	for _, row := range fresh {
		key, ok := row[p.column("storage_key")].(string)
		if !ok {
			continue
		}
		b := meta.Blob{Digest: p.digest(row), Size: row[p.column("size")].(int64), Key: key}
		b.Sums, _ = row[p.column("sums")].([]byte) // NULL is none
		ids, blobs = append(ids, row[0].(int64)), append(blobs, b)
	}
	if len(blobs) == 0 {
		return nil
	}
	for i, err := range c.o.Objects(ctx, blobs) {
		if err != nil && !errors.Is(err, ErrLeftOut) {
			return err
		}
		if err != nil {
			bad[ids[i]] = err
		}
	}
	return nil
}

// leaveOut notes that a row does not go, and reports it unless it is gone by now:
// the content of what was deleted meanwhile may have been collected.
func (c *Copier) leaveOut(ctx context.Context, p *plan, row []any, reason error) error {
	id := row[0].(int64)
	if c.left[p.name] == nil {
		c.left[p.name] = map[int64]bool{}
	}
	c.left[p.name][id] = true
	var there bool
	if err := c.from.db.row(ctx, "SELECT EXISTS (SELECT 1 FROM "+p.name+" WHERE id = $1)", id).Scan(&there); err != nil {
		return err
	}
	if there && c.o.Damaged != nil {
		c.o.Damaged(Damage{contents[p.name].kind, row[p.column("registry_id")].(int64), p.digest(row), reason})
	}
	return nil
}

// noteMissing makes the manifests of blobs and children that were left out wait
// for them, as those do that were pushed before them: pushing them again heals.
func (c *Copier) noteMissing(ctx context.Context) error {
	const blobs = `SELECT m.repo_id, b.digest, m.id, m.registry_id FROM manifest_blobs e
		JOIN blobs b ON b.id = e.blob_id JOIN manifests m ON m.id = e.manifest_id WHERE e.blob_id = $1`
	const children = `SELECT m.repo_id, k.digest, m.id, m.registry_id FROM manifest_children e
		JOIN manifests k ON k.id = e.child_id JOIN manifests m ON m.id = e.parent_id WHERE e.child_id = $1`
	for id := range c.left["blobs"] {
		if err := c.noteEach(ctx, blobs, id, `INSERT INTO missing_blobs (repo_id, blob_digest, manifest_id, registry_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`); err != nil {
			return err
		}
	}
	for id := range c.left["manifests"] {
		if err := c.noteEach(ctx, children, id, `INSERT INTO missing_children (repo_id, child_digest, parent_id, registry_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`); err != nil {
			return err
		}
	}
	return nil
}

func (c *Copier) noteEach(ctx context.Context, query string, id int64, insert string) error {
	page, err := c.source().page(4, query, id)
	if err != nil {
		return err
	}
	return c.to.Update(ctx, func(tx *Tx) error {
		for _, row := range page {
			if c.left["manifests"][row[2].(int64)] {
				continue
			}
			if _, err := tx.exec(insert, row...); err != nil {
				return err
			}
		}
		return nil
	})
}
