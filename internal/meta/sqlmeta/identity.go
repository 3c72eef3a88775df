package sqlmeta

import (
	"context"
	"errors"

	"github.com/orlop/orlop/internal/meta"
)

// Principal returns a principal by its id, with secrets and roles. It is false
// if there is none.
func (db *DB) Principal(ctx context.Context, registry int64, id string) (meta.Principal, bool, error) {
	return db.principal(ctx, `p.registry_id = $1 AND p.id = $2`, registry, id)
}

// PrincipalNamed returns a principal by its sign-in name, like Principal.
func (db *DB) PrincipalNamed(ctx context.Context, registry int64, name string) (meta.Principal, bool, error) {
	return db.principal(ctx, `p.registry_id = $1 AND p.name = $2`, registry, name)
}

// principalColumns are what scanPrincipal reads.
const principalColumns = `p.id, p.registry_id, p.kind, p.name, p.display_name, p.disabled, p.created, p.scope_map,
	g.repository_roles, coalesce(m.actions, '')
	FROM principals p JOIN registries g ON g.id = p.registry_id
	LEFT JOIN scope_maps m ON m.registry_id = p.registry_id AND m.name = p.scope_map`

func scanPrincipal(scan func(...any) error) (meta.Principal, error) {
	var p meta.Principal
	var created int64
	var actions string
	err := scan(&p.ID, &p.Registry, &p.Kind, &p.Name, &p.DisplayName, &p.Disabled, &created, &p.ScopeMap, &p.RepositoryRoles, &actions)
	if err != nil {
		return p, err
	}
	p.Created = moment(created)
	p.Actions, err = decodeActions(actions)
	return p, err
}

func (db *DB) principal(ctx context.Context, where string, args ...any) (meta.Principal, bool, error) {
	p, err := scanPrincipal(db.row(ctx, `SELECT `+principalColumns+` WHERE `+where, args...).Scan)
	if errors.Is(err, ErrNotFound) {
		return meta.Principal{}, false, nil
	}
	if err == nil {
		err = db.fill(ctx, &p)
	}
	return p, err == nil, err
}

const (
	secretsQuery = `SELECT id, name, hash, created, coalesce(expires, 0) FROM secrets WHERE principal_id = $1 ORDER BY created, id`
	rolesQuery   = `SELECT role, prefix FROM role_assignments WHERE principal_id = $1 ORDER BY role, prefix`
)

// fill reads secrets and roles of a principal.
func (db *DB) fill(ctx context.Context, p *meta.Principal) error {
	return fill(p, func(query string, args ...any) (rows, error) { return db.rows(ctx, query, args...) })
}

func fill(p *meta.Principal, query func(string, ...any) (rows, error)) error {
	rows, err := query(secretsQuery, p.ID)
	if err != nil {
		return err
	}
	if p.Secrets, err = scanSecrets(rows); err != nil {
		return err
	}
	if rows, err = query(rolesQuery, p.ID); err != nil {
		return err
	}
	p.Roles, err = scanRoles(rows)
	return err
}

func scanSecrets(rows rows) (out []meta.Secret, err error) {
	defer rows.Close()
	for rows.Next() {
		var s meta.Secret
		var created, expires int64
		if err := rows.Scan(&s.ID, &s.Name, &s.Hash, &created, &expires); err != nil {
			return nil, explain(err)
		}
		s.Created, s.Expires = moment(created), moment(expires)
		out = append(out, s)
	}
	return out, explain(rows.Err())
}

func scanRoles(rows rows) (out []meta.RoleAssignment, err error) {
	defer rows.Close()
	for rows.Next() {
		var a meta.RoleAssignment
		if err := rows.Scan(&a.Role, &a.Prefix); err != nil {
			return nil, explain(err)
		}
		out = append(out, a)
	}
	return out, explain(rows.Err())
}

// Principals lists at most n principals of a kind after a sign-in name, by
// name, with secrets and roles.
func (db *DB) Principals(ctx context.Context, registry int64, kind meta.Kind, after string, n int) ([]meta.Principal, error) {
	out, err := db.listPrincipals(ctx, registry, kind, after, n)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if err := db.fill(ctx, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (db *DB) listPrincipals(ctx context.Context, registry int64, kind meta.Kind, after string, n int) ([]meta.Principal, error) {
	rows, err := db.rows(ctx, `SELECT `+principalColumns+`
		WHERE p.registry_id = $1 AND p.kind = $2 AND p.name > $3 ORDER BY p.name LIMIT $4`, registry, string(kind), after, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []meta.Principal
	for rows.Next() {
		p, err := scanPrincipal(rows.Scan)
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, p)
	}
	return out, explain(rows.Err())
}

// CreatePrincipal stores a new principal with its secrets and roles. It is
// false, and changes nothing, if the name is taken.
func (db *DB) CreatePrincipal(ctx context.Context, p meta.Principal) (bool, error) {
	var created bool
	err := db.changeIdentities(ctx, func(tx *Tx) error {
		created = false
		if err := tx.holdScopeMap(p.Registry, p.ScopeMap); err != nil {
			return err
		}
		n, err := tx.exec(`INSERT INTO principals (id, registry_id, kind, name, display_name, disabled, created, scope_map)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (registry_id, name) DO NOTHING`,
			p.ID, p.Registry, string(p.Kind), p.Name, p.DisplayName, p.Disabled, micros(p.Created), p.ScopeMap)
		if err != nil || n == 0 {
			return err
		}
		created = true
		if err := tx.putSecrets(p.Registry, p.ID, p.Secrets); err != nil {
			return err
		}
		return tx.putRoles(p)
	})
	return created && err == nil, err
}

func (tx *Tx) putSecrets(registry int64, principal string, secrets []meta.Secret) error {
	for _, s := range secrets {
		if _, err := tx.exec(`INSERT INTO secrets (id, registry_id, principal_id, name, hash, created, expires)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			s.ID, registry, principal, s.Name, s.Hash, micros(s.Created), null(micros(s.Expires))); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) putRoles(p meta.Principal) error {
	for _, a := range p.Roles {
		if _, err := tx.exec(`INSERT INTO role_assignments (principal_id, role, prefix, registry_id, created)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			p.ID, a.Role, a.Prefix, p.Registry, micros(p.Created)); err != nil {
			return err
		}
	}
	return nil
}

// DeletePrincipal removes a principal of a kind with its secrets and roles. It
// is false if there is none.
func (db *DB) DeletePrincipal(ctx context.Context, registry int64, kind meta.Kind, id string) (bool, error) {
	var n int64
	err := db.changeIdentities(ctx, func(tx *Tx) error {
		var err error
		n, err = tx.exec(`DELETE FROM principals WHERE registry_id = $1 AND kind = $2 AND id = $3`, registry, string(kind), id)
		return err
	})
	return n > 0 && err == nil, err
}

// ServerKeys lists the keys of a purpose, the newest first.
func (db *DB) ServerKeys(ctx context.Context, purpose string) ([]meta.ServerKey, error) {
	rows, err := db.rows(ctx, `SELECT id, secret, created FROM server_keys WHERE purpose = $1 ORDER BY created DESC, id DESC`, purpose)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []meta.ServerKey
	for rows.Next() {
		k := meta.ServerKey{Purpose: purpose}
		var created int64
		if err := rows.Scan(&k.ID, &k.Secret, &created); err != nil {
			return nil, explain(err)
		}
		k.Created = moment(created)
		out = append(out, k)
	}
	return out, explain(rows.Err())
}

// AddServerKey stores a key beside those of its purpose.
func (db *DB) AddServerKey(ctx context.Context, k meta.ServerKey) error {
	return db.changeIdentities(ctx, func(tx *Tx) error { return tx.addServerKey(k) })
}

// EnsureServerKey stores a key if its purpose has none yet. Of several that are
// made at once, one is stored; ServerKeys tells which.
func (db *DB) EnsureServerKey(ctx context.Context, k meta.ServerKey) error {
	return db.changeIdentities(ctx, func(tx *Tx) error {
		if err := tx.turn("server key " + k.Purpose); err != nil {
			return err
		}
		var one int
		err := tx.row(`SELECT 1 FROM server_keys WHERE purpose = $1 LIMIT 1`, k.Purpose).Scan(&one)
		if errors.Is(err, ErrNotFound) {
			return tx.addServerKey(k)
		}
		return err
	})
}

func (tx *Tx) addServerKey(k meta.ServerKey) error {
	_, err := tx.exec(`INSERT INTO server_keys (id, purpose, secret, created) VALUES ($1, $2, $3, $4)`,
		k.ID, k.Purpose, k.Secret, micros(k.Created))
	return err
}
