package sqlmeta

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Each engine has its own files: a change of the schema is one in both.
//
//go:embed migrations/*.sql migrations/postgres/*.sql
var migrations embed.FS

// migrateSQLite brings the schema up to date, or only checks that it is.
// Migrations only go forward.
func migrateSQLite(ctx context.Context, db *sql.DB, check bool) error {
	p, err := provider(goose.DialectSQLite3, db, "migrations")
	if err != nil {
		return err
	}
	if check {
		return current(ctx, p)
	}
	if _, err = p.Up(ctx); err != nil {
		err = explain(err)
		if damage := sound(ctx, db); errors.Is(damage, errDamaged) && !errors.Is(err, errDamaged) {
			err = fmt.Errorf("%w: %w", damage, err)
		}
		return fmt.Errorf("migrate: %w", err)
	}
	_, err = pending(ctx, p)
	return err
}

// How long a node that died while it migrated keeps the others waiting, and how
// long they wait for one that lives.
const (
	migrationLease = 10 * time.Second
	migrationPoll  = 250 * time.Millisecond
	migrationPolls = 20 * 60 * 4 // 20 minutes: an index on many rows takes its time
)

// migratePostgres is migrateSQLite for a database that other nodes may be
// migrating at the same moment. They take turns by a row with a lease, which
// asks nothing special of the database.
func migratePostgres(ctx context.Context, db *sql.DB, check bool) error {
	turn, err := lock.NewPostgresTableLocker(
		lock.WithTableLeaseDuration(migrationLease), lock.WithTableHeartbeatInterval(migrationLease/5),
		lock.WithTableLockTimeout(migrationPoll, migrationPolls))
	if err != nil {
		return err
	}
	p, err := provider(goose.DialectPostgres, db, "migrations/postgres", goose.WithLocker(turn))
	if err != nil {
		return err
	}
	if check {
		return current(ctx, p)
	}
	needed, err := pending(ctx, p)
	if err != nil || !needed {
		return err
	}
	if _, err = p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", explain(err))
	}
	_, err = pending(ctx, p)
	return err
}

// current tells whether the schema is that of this program.
func current(ctx context.Context, p *goose.Provider) error {
	needed, err := pending(ctx, p)
	if err == nil && needed {
		err = ErrSchema
	}
	return err
}

func provider(dialect goose.Dialect, db *sql.DB, dir string, o ...goose.ProviderOption) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, db, files, o...)
}

// pending tells whether the schema is older than what this program knows. One
// that is newer is an error: it may not mean what this program takes it for.
func pending(ctx context.Context, p *goose.Provider) (bool, error) {
	current, ours, err := p.GetVersions(ctx)
	if err != nil {
		return false, explain(err)
	}
	if current > ours {
		return false, fmt.Errorf("version %d was written by a newer orlopd, this one knows %d", current, ours)
	}
	return current < ours, nil
}
