package sqlmeta

import (
	"context"
	"errors"

	"github.com/orlop/orlop/internal/meta"
)

// EditPrincipal changes a principal in one transaction: it reads it, lets edit
// change what it has, and stores whether it is disabled, its display name,
// scope map, secrets and roles. Of several edits at once each sees what the one
// before it did. It is false if there is no such principal; an error of edit
// undoes it.
func (db *DB) EditPrincipal(ctx context.Context, registry int64, id string, edit func(*meta.Principal) error) (bool, error) {
	var found bool
	err := db.changeIdentities(ctx, func(tx *Tx) error {
		found = false
		p, err := tx.principal(registry, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		found = true
		if err := edit(&p); err != nil {
			return err
		}
		if err := tx.holdScopeMap(p.Registry, p.ScopeMap); err != nil {
			return err
		}
		return tx.storePrincipal(p)
	})
	return found && err == nil, err
}

func (tx *Tx) principal(registry int64, id string) (meta.Principal, error) {
	p, err := scanPrincipal(tx.row(`SELECT `+principalColumns+` WHERE p.registry_id = $1 AND p.id = $2`+tx.db.locking(" FOR UPDATE OF p"), registry, id).Scan)
	if err != nil {
		return p, err
	}
	return p, fill(&p, tx.rows)
}

func (tx *Tx) storePrincipal(p meta.Principal) error {
	if _, err := tx.exec(`UPDATE principals SET display_name = $2, disabled = $3, scope_map = $4 WHERE id = $1`,
		p.ID, p.DisplayName, p.Disabled, p.ScopeMap); err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM secrets WHERE principal_id = $1`, p.ID); err != nil {
		return err
	}
	if err := tx.putSecrets(p.Registry, p.ID, p.Secrets); err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM role_assignments WHERE principal_id = $1`, p.ID); err != nil {
		return err
	}
	return tx.putRoles(p)
}
