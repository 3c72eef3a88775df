package registry

import (
	"context"
	"errors"

	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// sweepBatch is how many rows one step of a sweep takes.
const sweepBatch = 100

// Sweep drops uploads that have expired, what was deleted and can be restored no
// more, and objects that no row names any more and whose grace is over.
func (s *Service) Sweep(ctx context.Context) error {
	return errors.Join(
		s.sweepRows(ctx, (*sqlmeta.Tx).ExpireUploads), // leaves their objects to sweepObjects
		s.sweepRows(ctx, (*sqlmeta.Tx).ExpireDeleted),
		s.sweepObjects(ctx))
}

// sweepRows expires rows, a batch in each transaction.
func (s *Service) sweepRows(ctx context.Context, expire func(tx *sqlmeta.Tx, n int) (int, error)) error {
	for {
		n := 0
		err := s.db.Update(ctx, func(tx *sqlmeta.Tx) (err error) {
			n, err = expire(tx, sweepBatch)
			return err
		})
		if err != nil || n < sweepBatch {
			return translate(err, nil)
		}
	}
}

// sweepObjects deletes objects, then the rows that list them: a crash between
// leaves a row whose object is gone, which is no error the next time.
func (s *Service) sweepObjects(ctx context.Context) error {
	for {
		keys, err := s.db.DueObjects(ctx, sweepBatch)
		if err != nil {
			return translate(err, nil)
		}
		gone, failed := s.deleteObjects(ctx, keys)
		if err := s.db.Update(ctx, func(tx *sqlmeta.Tx) error { return tx.ForgetObjects(gone) }); err != nil {
			return errors.Join(failed, translate(err, nil))
		}
		if len(keys) < sweepBatch || len(gone) == 0 {
			return failed
		}
	}
}

// deleteObjects deletes objects and tells which are gone: one that cannot be
// deleted must not keep the others.
func (s *Service) deleteObjects(ctx context.Context, keys []string) (gone []string, err error) {
	for _, key := range keys {
		if e := s.blobs.Delete(ctx, key); e != nil {
			err = errors.Join(err, translate(e, nil))
			continue
		}
		gone = append(gone, key)
	}
	return gone, err
}
