package sqlmeta

import (
	"context"
	"errors"

	"github.com/orlop/orlop/internal/meta"
)

// Principal returns a principal by its id, with secrets and roles. It is false
// if there is none.
func (db *DB) Principal(ctx context.Context, registry int64, id string) (meta.Principal, bool, error) {
	return db.principal(ctx, `registry_id = $1 AND id = $2`, registry, id)
}

// PrincipalNamed returns a principal by its sign-in name, like Principal.
func (db *DB) PrincipalNamed(ctx context.Context, registry int64, name string) (meta.Principal, bool, error) {
	return db.principal(ctx, `registry_id = $1 AND name = $2`, registry, name)
}

func (db *DB) principal(ctx context.Context, where string, args ...any) (meta.Principal, bool, error) {
	var p meta.Principal
	var created int64
	err := db.row(ctx, `SELECT id, registry_id, kind, name, display_name, disabled, created FROM principals WHERE `+where, args...).
		Scan(&p.ID, &p.Registry, &p.Kind, &p.Name, &p.DisplayName, &p.Disabled, &created)
	if errors.Is(err, ErrNotFound) {
		return p, false, nil
	}
	p.Created = moment(created)
	if err == nil {
		err = db.fill(ctx, &p)
	}
	return p, err == nil, err
}

// fill reads secrets and roles of a principal.
func (db *DB) fill(ctx context.Context, p *meta.Principal) error {
	var err error
	if p.Secrets, err = db.secrets(ctx, p.ID); err != nil {
		return err
	}
	p.Roles, err = db.roles(ctx, p.ID)
	return err
}

func (db *DB) secrets(ctx context.Context, principal string) ([]meta.Secret, error) {
	rows, err := db.rows(ctx, `SELECT id, name, hash, created, coalesce(expires, 0) FROM secrets
		WHERE principal_id = $1 ORDER BY created, id`, principal)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []meta.Secret
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

func (db *DB) roles(ctx context.Context, principal string) ([]meta.RoleAssignment, error) {
	rows, err := db.rows(ctx, `SELECT role, prefix FROM role_assignments WHERE principal_id = $1 ORDER BY role, prefix`, principal)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []meta.RoleAssignment
	for rows.Next() {
		var a meta.RoleAssignment
		if err := rows.Scan(&a.Role, &a.Prefix); err != nil {
			return nil, explain(err)
		}
		out = append(out, a)
	}
	return out, explain(rows.Err())
}

// Principals lists at most n principals of a kind after an id, by id, with
// secrets and roles.
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
	rows, err := db.rows(ctx, `SELECT id, name, display_name, disabled, created FROM principals
		WHERE registry_id = $1 AND kind = $2 AND id > $3 ORDER BY id LIMIT $4`, registry, string(kind), after, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []meta.Principal
	for rows.Next() {
		p := meta.Principal{Registry: registry, Kind: kind}
		var created int64
		if err := rows.Scan(&p.ID, &p.Name, &p.DisplayName, &p.Disabled, &created); err != nil {
			return nil, explain(err)
		}
		p.Created = moment(created)
		out = append(out, p)
	}
	return out, explain(rows.Err())
}

// CreatePrincipal stores a new principal with its secrets and roles. It is
// false, and changes nothing, if the name is taken.
func (db *DB) CreatePrincipal(ctx context.Context, p meta.Principal) (bool, error) {
	var created bool
	err := db.Update(ctx, func(tx *Tx) error {
		n, err := tx.exec(`INSERT INTO principals (id, registry_id, kind, name, display_name, disabled, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (registry_id, name) DO NOTHING`,
			p.ID, p.Registry, string(p.Kind), p.Name, p.DisplayName, p.Disabled, micros(p.Created))
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

// ReplaceSecrets gives a principal these secrets in place of all it had. It is
// false if there is no such principal.
func (db *DB) ReplaceSecrets(ctx context.Context, registry int64, id string, secrets []meta.Secret) (bool, error) {
	var found bool
	err := db.Update(ctx, func(tx *Tx) error {
		var one int
		err := tx.row(`SELECT 1 FROM principals WHERE registry_id = $1 AND id = $2`, registry, id).Scan(&one)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		found = true
		if _, err := tx.exec(`DELETE FROM secrets WHERE principal_id = $1`, id); err != nil {
			return err
		}
		return tx.putSecrets(registry, id, secrets)
	})
	return found && err == nil, err
}

// DeletePrincipal removes a principal of a kind with its secrets and roles. It
// is false if there is none.
func (db *DB) DeletePrincipal(ctx context.Context, registry int64, kind meta.Kind, id string) (bool, error) {
	var n int64
	err := db.Update(ctx, func(tx *Tx) error {
		var err error
		n, err = tx.exec(`DELETE FROM principals WHERE registry_id = $1 AND kind = $2 AND id = $3`, registry, string(kind), id)
		return err
	})
	return n > 0 && err == nil, err
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
	return db.Update(ctx, func(tx *Tx) error { return tx.addServerKey(k) })
}

// EnsureServerKey stores a key if its purpose has none yet. Of several that are
// made at once, one is stored; ServerKeys tells which.
func (db *DB) EnsureServerKey(ctx context.Context, k meta.ServerKey) error {
	return db.Update(ctx, func(tx *Tx) error {
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
