package server

import (
	"context"

	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// openMetadata opens the database that the settings name, or the file in the
// data directory.
func (s *Server) openMetadata(ctx context.Context) (err error) {
	o := sqlmeta.Options{KeepDeleted: s.cfg.KeepDeleted, UntaggedRetention: s.cfg.UntaggedRetention}
	if s.cfg.Metadata == "" {
		s.db, err = sqlmeta.Open(ctx, s.dir.join("orlop.db"), o)
		return err
	}
	s.db, err = sqlmeta.OpenPostgres(ctx, string(s.cfg.Metadata), o)
	return err
}
