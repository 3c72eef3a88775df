package sqlmeta

import (
	"context"
	"errors"
	"fmt"

	"github.com/orlop/orlop/internal/meta"
)

// Direction is where a registry is being moved.
type Direction string

const (
	// Here: into this database, which is not whole before the move has ended.
	Here Direction = "here"
	// Away: out of this database, which is not to change any more.
	Away Direction = "away"
)

// ErrOccupied: the database holds a registry of its own, or one that is being
// moved here from elsewhere.
var ErrOccupied = errors.New("the database is in use")

// Moving tells whether the registry is being moved, and where from or to; "" if
// it is not.
func (db *DB) Moving(ctx context.Context) (to Direction, peer string, err error) {
	err = db.row(ctx, `SELECT direction, peer FROM moves ORDER BY direction LIMIT 1`).Scan((*string)(&to), &peer)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return to, peer, err
}

// BeginMove notes that a registry is being moved here from peer. ErrOccupied
// unless nothing has ever been pushed here, or the same move was begun before.
func (db *DB) BeginMove(ctx context.Context, peer string) error {
	return db.Update(ctx, func(tx *Tx) error {
		var used bool
		var now string
		err := tx.row(`SELECT peer FROM moves WHERE direction = $1`, string(Here)).Scan(&now)
		switch {
		case err == nil && now == peer:
			return nil
		case err == nil:
			return fmt.Errorf("%w: the registry of %s is being moved here", ErrOccupied, now)
		case !errors.Is(err, ErrNotFound):
			return err
		}
		if err := tx.row(`SELECT EXISTS (SELECT 1 FROM repositories) OR EXISTS (SELECT 1 FROM blobs) OR EXISTS (SELECT 1 FROM deleted_manifests)`).Scan(&used); err != nil {
			return err
		}
		if used {
			return fmt.Errorf("%w: it holds repositories", ErrOccupied)
		}
		return tx.noteMove(Here, peer)
	})
}

// EndMove notes that all has been moved here.
func (db *DB) EndMove(ctx context.Context) error {
	return db.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(`DELETE FROM moves WHERE direction = $1`, string(Here))
		return err
	})
}

func (tx *Tx) noteMove(to Direction, peer string) error {
	_, err := tx.exec(`INSERT INTO moves (direction, peer, began) VALUES ($1, $2, $3) ON CONFLICT (direction) DO UPDATE SET peer = excluded.peer`,
		string(to), peer, micros(tx.db.now()))
	return err
}

// Freeze lets nobody write to the tables that make up the registry any more,
// until Thaw: it is moved to peer. On PostgreSQL the database itself refuses all
// nodes, as it would if it were a standby, and those that write at this moment
// come first; a SQLite database must not be in use by a server.
func (db *DB) Freeze(ctx context.Context, peer string) error {
	return db.Update(ctx, func(tx *Tx) error {
		if err := tx.noteMove(Away, peer); err != nil || !db.Shared() {
			return err
		}
		// 25006: read-only transaction.
		if err := tx.plain(`CREATE OR REPLACE FUNCTION orlop_frozen() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN RAISE EXCEPTION ''the registry is being moved'' USING ERRCODE = ''25006''; END'`); err != nil {
			return err
		}
		for _, t := range copyTables {
			if err := tx.plain(`DROP TRIGGER IF EXISTS orlop_frozen ON ` + t.name); err != nil {
				return err
			}
			if err := tx.plain(`CREATE TRIGGER orlop_frozen BEFORE INSERT OR UPDATE OR DELETE ON ` + t.name + ` FOR EACH STATEMENT EXECUTE FUNCTION orlop_frozen()`); err != nil {
				return err
			}
		}
		return nil
	})
}

// Thaw undoes Freeze.
func (db *DB) Thaw(ctx context.Context) error {
	return db.Update(ctx, func(tx *Tx) error {
		if _, err := tx.exec(`DELETE FROM moves WHERE direction = $1`, string(Away)); err != nil || !db.Shared() {
			return err
		}
		for _, t := range copyTables {
			if err := tx.plain(`DROP TRIGGER IF EXISTS orlop_frozen ON ` + t.name); err != nil {
				return err
			}
		}
		return nil
	})
}

// NamedObjects lists at most n objects that blobs name, by key, after one.
func (db *DB) NamedObjects(ctx context.Context, after string, n int) ([]meta.Object, error) {
	found, err := db.rows(ctx, `SELECT storage_key, size FROM blobs WHERE storage_key > $1 ORDER BY storage_key LIMIT $2`, after, n)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var list []meta.Object
	for found.Next() {
		var o meta.Object
		if err := found.Scan(&o.Key, &o.Size); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, errors.Join(found.Err(), found.Close())
}
