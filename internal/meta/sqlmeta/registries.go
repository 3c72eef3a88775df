package sqlmeta

import (
	"context"
	"errors"
	"strconv"

	"github.com/orlop/orlop/internal/meta"
)

const registryColumns = `id, name, created FROM registries WHERE deleted = 0`

func scanRegistry(scan func(...any) error) (meta.Registry, error) {
	var r meta.Registry
	var created int64
	err := scan(&r.ID, &r.Name, &created)
	r.Created = moment(created)
	return r, err
}

// Registries lists all registries by name.
func (db *DB) Registries(ctx context.Context) ([]meta.Registry, error) {
	rows, err := db.rows(ctx, `SELECT `+registryColumns+` ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []meta.Registry
	for rows.Next() {
		r, err := scanRegistry(rows.Scan)
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, r)
	}
	return out, explain(rows.Err())
}

// RegistryNamed returns a registry by its name. It is false if there is none.
func (db *DB) RegistryNamed(ctx context.Context, name string) (meta.Registry, bool, error) {
	r, err := scanRegistry(db.row(ctx, `SELECT `+registryColumns+` AND name = $1`, name).Scan)
	if errors.Is(err, ErrNotFound) {
		return meta.Registry{}, false, nil
	}
	return r, err == nil, err
}

// CreateRegistry makes an empty registry. It is false if the name is taken.
func (db *DB) CreateRegistry(ctx context.Context, name string) (meta.Registry, bool, error) {
	now := db.now()
	r := meta.Registry{ID: db.ids.next(now), Name: name, Created: moment(micros(now))}
	var n int64
	err := db.changeIdentities(ctx, func(tx *Tx) (err error) {
		n, err = tx.exec(`INSERT INTO registries (id, name, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, r.ID, r.Name, micros(now))
		return err
	})
	return r, n > 0 && err == nil, err
}

// RenameRegistry gives a registry another name, and its admin user, who is
// called like it. It is false if another registry, or a principal of this one,
// has the name.
func (db *DB) RenameRegistry(ctx context.Context, id int64, name string) (bool, error) {
	var renamed bool
	err := db.changeIdentities(ctx, func(tx *Tx) error {
		renamed = false
		var taken bool
		if err := tx.row(`SELECT EXISTS (SELECT 1 FROM registries WHERE name = $2 AND id <> $1)
			OR EXISTS (SELECT 1 FROM principals WHERE registry_id = $1 AND name = $2 AND kind <> $3)`,
			id, name, string(meta.KindAdminUser)).Scan(&taken); err != nil || taken {
			return err
		}
		if _, err := tx.exec(`UPDATE registries SET name = $2 WHERE id = $1`, id, name); err != nil {
			return err
		}
		_, err := tx.exec(`UPDATE principals SET name = $2, display_name = $2 WHERE registry_id = $1 AND kind = $3`,
			id, name, string(meta.KindAdminUser))
		renamed = err == nil
		return err
	})
	return renamed && err == nil, err
}

// DeleteRegistry deletes a registry: its name is free, nobody can sign in, and
// RegistryOf returns the registry of a principal by its id. It is false if there
// is no such principal.
func (db *DB) RegistryOf(ctx context.Context, id string) (int64, bool, error) {
	var registry int64
	err := db.row(ctx, `SELECT registry_id FROM principals WHERE id = $1`, id).Scan(&registry)
	if errors.Is(err, ErrNotFound) {
		return 0, false, nil
	}
	return registry, err == nil, err
}

// PurgeRegistries takes what it holds. It is false if there is none, and for the
// default registry.
func (db *DB) DeleteRegistry(ctx context.Context, id int64) (bool, error) {
	if id == meta.DefaultRegistry {
		return false, nil
	}
	var deleted bool
	err := db.changeIdentities(ctx, func(tx *Tx) error {
		deleted = false
		r, err := scanRegistry(tx.row(`SELECT `+registryColumns+` AND id = $1`, id).Scan)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		// No registry that is there can have a slash in its name.
		former := r.Name + "/" + strconv.FormatInt(id, 10)
		if _, err := tx.exec(`UPDATE registries SET deleted = $2, name = $3 WHERE id = $1`, id, micros(tx.db.now()), former); err != nil {
			return err
		}
		for _, query := range []string{`DELETE FROM principals WHERE registry_id = $1`, `DELETE FROM scope_maps WHERE registry_id = $1`} {
			if _, err := tx.exec(query, id); err != nil {
				return err
			}
		}
		deleted = true
		return nil
	})
	return deleted && err == nil, err
}

// PurgeRegistries takes a step at the removal of what deleted registries hold: a
// repository, or n of other rows. It is false when there is no more to be done
// now; what then is left of blobs is the garbage collector's, and after it the
// last step removes the registry.
func (tx *Tx) PurgeRegistries(n int) (bool, error) {
	ids, err := tx.ids(`SELECT id FROM registries WHERE deleted <> 0 ORDER BY id`)
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		for _, step := range []func(*Tx, int64, int) (bool, error){
			(*Tx).purgeRepository, (*Tx).purgeUploads, (*Tx).purgeDeleted, (*Tx).purgeRegistry,
		} {
			if more, err := step(tx, id, n); more || err != nil {
				return more, err
			}
		}
	}
	return false, nil
}

func (tx *Tx) purgeRepository(registry int64, _ int) (bool, error) {
	var repo int64
	err := tx.row(`SELECT id FROM repositories WHERE registry_id = $1 ORDER BY name LIMIT 1`, registry).Scan(&repo)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	for _, query := range []string{`DELETE FROM tags WHERE repo_id = $1`, `DELETE FROM tag_history WHERE repo_id = $1`} {
		if err == nil {
			_, err = tx.exec(query, repo)
		}
	}
	if err == nil {
		err = tx.dropRepository(repo)
	}
	return err == nil, err
}

func (tx *Tx) purgeUploads(registry int64, n int) (bool, error) {
	if _, err := tx.exec(`INSERT INTO gc_objects (storage_key, registry_id, delete_after)
		SELECT storage_key, registry_id, $3 FROM (SELECT * FROM uploads WHERE registry_id = $1 ORDER BY id LIMIT $2) u
		WHERE storage_key IS NOT NULL ON CONFLICT DO NOTHING`, registry, n, micros(tx.db.now())); err != nil {
		return false, err
	}
	return tx.some(`DELETE FROM uploads WHERE id IN (SELECT id FROM uploads WHERE registry_id = $1 ORDER BY id LIMIT $2)`, registry, n)
}

func (tx *Tx) purgeDeleted(registry int64, n int) (bool, error) {
	if _, err := tx.exec(`INSERT INTO gc_blob_queue (blob_id, registry_id, review_after)
		SELECT DISTINCT blob_id, registry_id, CAST($3 AS bigint) FROM deleted_manifest_blobs
			WHERE manifest_id IN (SELECT id FROM deleted_manifests WHERE registry_id = $1 ORDER BY repo, digest LIMIT $2)
		ON CONFLICT (blob_id) DO UPDATE SET review_after = excluded.review_after`, registry, n, micros(tx.reviewAfter())); err != nil {
		return false, err
	}
	for _, query := range []string{
		`DELETE FROM deleted_manifests WHERE id IN (SELECT id FROM deleted_manifests WHERE registry_id = $1 ORDER BY repo, digest LIMIT $2)`,
		`DELETE FROM deleted_tags WHERE id IN (SELECT id FROM deleted_tags WHERE registry_id = $1 ORDER BY repo, id LIMIT $2)`,
		`DELETE FROM deleted_repositories WHERE registry_id = $1 AND name IN (
			SELECT name FROM deleted_repositories WHERE registry_id = $1 ORDER BY name LIMIT $2)`,
	} {
		if more, err := tx.some(query, registry, n); more || err != nil {
			return more, err
		}
	}
	return false, nil
}

// purgeRegistry removes the row of a registry, once no blob is left.
func (tx *Tx) purgeRegistry(registry int64, _ int) (bool, error) {
	_, err := tx.exec(`DELETE FROM registries WHERE id = $1
		AND NOT EXISTS (SELECT 1 FROM repositories WHERE registry_id = $1)
		AND NOT EXISTS (SELECT 1 FROM blobs WHERE registry_id = $1)`, registry)
	return false, err
}

// some runs a statement and tells whether it changed anything.
func (tx *Tx) some(query string, args ...any) (bool, error) {
	n, err := tx.exec(query, args...)
	return n > 0, err
}
