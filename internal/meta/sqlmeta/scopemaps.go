package sqlmeta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/orlop/orlop/internal/meta"
)

func decodeActions(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var out []string
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("stored actions of a scope map: %w", err)
	}
	return out, nil
}

const scopeMapColumns = `registry_id, name, description, actions, created FROM scope_maps`

func scanScopeMap(scan func(...any) error) (meta.ScopeMap, error) {
	var m meta.ScopeMap
	var actions string
	var created int64
	if err := scan(&m.Registry, &m.Name, &m.Description, &actions, &created); err != nil {
		return m, err
	}
	m.Created = moment(created)
	var err error
	m.Actions, err = decodeActions(actions)
	return m, err
}

// ScopeMap returns a scope map. It is false if there is none.
func (db *DB) ScopeMap(ctx context.Context, registry int64, name string) (meta.ScopeMap, bool, error) {
	m, err := scanScopeMap(db.row(ctx, `SELECT `+scopeMapColumns+` WHERE registry_id = $1 AND name = $2`, registry, name).Scan)
	if errors.Is(err, ErrNotFound) {
		return meta.ScopeMap{}, false, nil
	}
	return m, err == nil, err
}

// ScopeMaps lists at most n scope maps after a name, by name.
func (db *DB) ScopeMaps(ctx context.Context, registry int64, after string, n int) ([]meta.ScopeMap, error) {
	rows, err := db.rows(ctx, `SELECT `+scopeMapColumns+`
		WHERE registry_id = $1 AND name > $2 ORDER BY name LIMIT $3`, registry, after, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []meta.ScopeMap
	for rows.Next() {
		m, err := scanScopeMap(rows.Scan)
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, m)
	}
	return out, explain(rows.Err())
}

// CreateScopeMap stores a new scope map. It is false if the name is taken.
func (db *DB) CreateScopeMap(ctx context.Context, m meta.ScopeMap) (bool, error) {
	actions, err := json.Marshal(m.Actions)
	if err != nil {
		return false, err
	}
	var n int64
	err = db.changeIdentities(ctx, func(tx *Tx) (err error) {
		n, err = tx.exec(`INSERT INTO scope_maps (registry_id, name, description, actions, created)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, m.Registry, m.Name, m.Description, string(actions), micros(m.Created))
		return err
	})
	return n > 0 && err == nil, err
}

// EditScopeMap changes description and actions of a scope map in one
// transaction. It is false if there is none; an error of edit undoes it.
func (db *DB) EditScopeMap(ctx context.Context, registry int64, name string, edit func(*meta.ScopeMap) error) (bool, error) {
	var found bool
	err := db.changeIdentities(ctx, func(tx *Tx) error {
		found = false
		m, err := scanScopeMap(tx.row(`SELECT `+scopeMapColumns+` WHERE registry_id = $1 AND name = $2`+tx.db.locking(" FOR UPDATE"), registry, name).Scan)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		found = true
		if err := edit(&m); err != nil {
			return err
		}
		actions, err := json.Marshal(m.Actions)
		if err != nil {
			return err
		}
		_, err = tx.exec(`UPDATE scope_maps SET description = $3, actions = $4 WHERE registry_id = $1 AND name = $2`,
			registry, name, m.Description, string(actions))
		return err
	})
	return found && err == nil, err
}

// DeleteScopeMap removes a scope map that no token has. It tells whether there
// was one, or one that a token has.
func (db *DB) DeleteScopeMap(ctx context.Context, registry int64, name string) (deleted, used bool, err error) {
	var n int64
	err = db.changeIdentities(ctx, func(tx *Tx) error {
		n = 0
		if err := tx.lockScopeMap(registry, name, " FOR UPDATE"); err != nil {
			return err
		}
		if err := tx.row(`SELECT EXISTS (SELECT 1 FROM principals WHERE registry_id = $1 AND scope_map = $2)`,
			registry, name).Scan(&used); err != nil || used {
			return err
		}
		var err error
		n, err = tx.exec(`DELETE FROM scope_maps WHERE registry_id = $1 AND name = $2`, registry, name)
		return err
	})
	return n > 0 && err == nil, used && err == nil, err
}

// holdScopeMap keeps a scope map, if it is a stored one, from being deleted
// before the transaction ends.
func (tx *Tx) holdScopeMap(registry int64, name string) error {
	return tx.lockScopeMap(registry, name, " FOR SHARE")
}

func (tx *Tx) lockScopeMap(registry int64, name, clause string) error {
	if name == "" || !tx.db.Shared() {
		return nil
	}
	var one int
	err := tx.row(`SELECT 1 FROM scope_maps WHERE registry_id = $1 AND name = $2`+clause, registry, name).Scan(&one)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return err
}
