package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// Stores are where a registry is, open without a server.
type Stores struct {
	// Name tells the place from others. It holds no secret.
	Name  string
	DB    *sqlmeta.DB
	Blobs blob.Store

	closers []io.Closer // the last is closed first
}

// StoresOptions say how to open stores.
type StoresOptions struct {
	// Make makes what is absent, and brings the schema up to date. Otherwise the
	// stores must be there, with the schema of this program.
	Make bool
	// Beside: a server may be serving from a data directory. Otherwise none may.
	Beside bool
}

// OpenStores opens the stores that a configuration names. The caller calls Close.
func OpenStores(ctx context.Context, cfg config.Config, o StoresOptions) (_ *Stores, err error) {
	s := &Stores{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	dir, err := filepath.Abs(cfg.Data)
	if err != nil {
		return nil, err
	}
	inDir := cfg.Metadata == "" || cfg.Blobs.Kind == config.BlobsInData
	switch {
	case !inDir:
	case !o.Make && missing(dir):
		return nil, fmt.Errorf("data directory %s: there is no registry in it", dir)
	case !o.Beside:
		data, err := openDataDir(dir)
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, closer(data.close))
	}
	s.Name = placeName(cfg, dir)
	options := sqlmeta.Options{KeepDeleted: cfg.KeepDeleted, Existing: !o.Make}
	if s.DB, err = openMetadataAt(ctx, cfg.Metadata, filepath.Join(dir, databaseFile), options); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, closer(s.DB.Close))
	store, err := openStore(ctx, cfg.Blobs, filepath.Join(dir, "blobs"))
	if err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	s.Blobs = store
	s.closers = append(s.closers, store)
	return s, nil
}

const databaseFile = "orlop.db"

func openMetadataAt(ctx context.Context, url config.Metadata, path string, o sqlmeta.Options) (*sqlmeta.DB, error) {
	if url != "" {
		return sqlmeta.OpenPostgres(ctx, string(url), o)
	}
	return sqlmeta.Open(ctx, path, o)
}

// missing tells whether a directory holds no database.
func missing(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, databaseFile))
	return errors.Is(err, os.ErrNotExist)
}

// placeName is the name of the place where the stores of a configuration are.
func placeName(cfg config.Config, dir string) string {
	metadata, blobs := cfg.Metadata.String(), cfg.Blobs.String()
	if metadata == "" {
		metadata = dir
	}
	if blobs == "" {
		blobs = dir
	}
	if metadata == blobs {
		return metadata
	}
	return metadata + " and " + blobs
}

// Close closes the stores.
func (s *Stores) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i].Close())
	}
	return errors.Join(errs...)
}

// closer is a function that closes.
type closer func() error

// Close implements io.Closer.
func (c closer) Close() error { return c() }

// refuseMoved keeps a registry from being served that is not whole yet, or that
// is at another place by now.
func refuseMoved(ctx context.Context, db *sqlmeta.DB) error {
	direction, peer, err := db.Moving(ctx)
	switch {
	case err != nil:
		return err
	case direction == sqlmeta.Here:
		return fmt.Errorf("the registry of %s is being moved here and is not whole: end that with orlopd migrate --finish", peer)
	case direction == sqlmeta.Away:
		return fmt.Errorf("the registry was moved to %s; orlopd migrate --reopen takes it back as it was then", peer)
	}
	return nil
}
