package sqlmeta

import (
	"context"
	"errors"

	"github.com/orlop/orlop/internal/meta"
)

const accessQuery = `SELECT name, anonymous_pull, repository_roles, data_tokens_only,
	soft_delete, soft_delete_days, retention, retention_days FROM registries WHERE id = $1`

func scanAccess(scan func(...any) error) (meta.Access, error) {
	var a meta.Access
	var deleted, retained *bool
	var deletedDays, retainedDays *int
	err := scan(&a.Name, &a.AnonymousPull, &a.RepositoryRoles, &a.DataTokensOnly, &deleted, &deletedDays, &retained, &retainedDays)
	a.SoftDelete, a.Retention = policy(deleted, deletedDays), policy(retained, retainedDays)
	return a, err
}

func policy(enabled *bool, days *int) meta.Policy {
	if enabled == nil || days == nil {
		return meta.Policy{}
	}
	return meta.Policy{Set: true, Enabled: *enabled, Days: *days}
}

// Access returns how a registry is open to its callers; ErrNotFound if there is
// no such registry.
func (db *DB) Access(ctx context.Context, registry int64) (meta.Access, error) {
	return scanAccess(db.row(ctx, accessQuery, registry).Scan)
}

// EditAccess changes how a registry is open, in one transaction; its name
// stays. ErrNotFound if there is no such registry.
func (db *DB) EditAccess(ctx context.Context, registry int64, edit func(*meta.Access)) error {
	err := db.changeIdentities(ctx, func(tx *Tx) error {
		a, err := scanAccess(tx.row(accessQuery+tx.db.locking(" FOR UPDATE"), registry).Scan)
		if err != nil {
			return err
		}
		edit(&a)
		var deleted, retained *bool
		var deletedDays, retainedDays *int
		if p := a.SoftDelete; p.Set {
			deleted, deletedDays = &p.Enabled, &p.Days
		}
		if p := a.Retention; p.Set {
			retained, retainedDays = &p.Enabled, &p.Days
		}
		_, err = tx.exec(`UPDATE registries SET anonymous_pull = $2, repository_roles = $3, data_tokens_only = $4,
			soft_delete = $5, soft_delete_days = $6, retention = $7, retention_days = $8 WHERE id = $1`,
			registry, a.AnonymousPull, a.RepositoryRoles, a.DataTokensOnly, deleted, deletedDays, retained, retainedDays)
		return err
	})
	if err == nil {
		err = db.readKeepings(ctx)
	}
	return err
}

// AnonymousPull tells whether anybody may pull from a repository: by a setting
// of the registry, or of the repository. It is false for one that is absent.
func (db *DB) AnonymousPull(ctx context.Context, registry int64, repo string) (bool, error) {
	var yes bool
	err := db.row(ctx, `SELECT g.anonymous_pull OR EXISTS (
			SELECT 1 FROM repositories r WHERE r.registry_id = g.id AND r.name = $2 AND r.anonymous_pull)
		FROM registries g WHERE g.id = $1`, registry, repo).Scan(&yes)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return yes, err
}

// RepositoryAnonymousPull tells whether a repository itself is open to anybody.
// found is false if there is no such repository.
func (db *DB) RepositoryAnonymousPull(ctx context.Context, registry int64, repo string) (open, found bool, err error) {
	err = db.row(ctx, `SELECT anonymous_pull FROM repositories WHERE registry_id = $1 AND name = $2`, registry, repo).Scan(&open)
	if errors.Is(err, ErrNotFound) {
		return false, false, nil
	}
	return open, err == nil, err
}

// SetRepositoryAnonymousPull opens a repository to anybody, or closes it. It is
// false if there is no such repository.
func (db *DB) SetRepositoryAnonymousPull(ctx context.Context, registry int64, repo string, open bool) (bool, error) {
	var n int64
	err := db.Update(ctx, func(tx *Tx) (err error) {
		n, err = tx.exec(`UPDATE repositories SET anonymous_pull = $3 WHERE registry_id = $1 AND name = $2`, registry, repo, open)
		return err
	})
	return n > 0 && err == nil, err
}
