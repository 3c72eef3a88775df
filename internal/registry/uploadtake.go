package registry

import (
	"context"
	"errors"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// Where several nodes share the database, a request takes the upload that it
// goes on with: it says in the row until when it is to be left alone, and says
// so anew while bytes arrive. A request on another node gets 409 until then. It
// goes on after that, from what the row tells, and the row has another version
// then: whatever the first request does when it wakes up, its row it cannot
// change, nor delete an object that a row names. So what the time is on each node
// decides only how long somebody waits.
const (
	uploadLease = 10 * time.Second
	renewEvery  = 3 * time.Second
	// forkRate is how many bytes a second an object can be copied with at least.
	forkRate = 16 << 20
)

// lease is until when a request has an upload that it takes now; zero where no
// other node could.
func (s *Service) lease() time.Time {
	if !s.opts.Shared {
		return time.Time{}
	}
	return s.opts.Now().Add(uploadLease)
}

// take makes the upload this request's. abandoned tells that the request that
// had it has not let go of it in time, and may live.
func (u *upload) take(ctx context.Context) (abandoned bool, err error) {
	if !u.r.opts.Shared {
		return false, nil
	}
	if left := u.row.Taken.Sub(u.r.opts.Now()); left > 0 {
		return false, &busyError{min(left, uploadLease)}
	}
	abandoned = !u.row.Taken.IsZero()
	until := u.r.lease()
	if abandoned {
		until = until.Add(time.Duration(u.row.Offset/forkRate) * time.Second)
	}
	return abandoned, u.setTaken(ctx, until)
}

// letGo lets other requests have the upload at once.
func (u *upload) letGo(ctx context.Context) error {
	if u.row.Taken.IsZero() || u.lost {
		return nil
	}
	return u.setTaken(ctx, time.Time{})
}

func (u *upload) setTaken(ctx context.Context, until time.Time) error {
	err := u.r.db.Update(ctx, func(tx *sqlmeta.Tx) error { return tx.TakeUpload(u.r.id, u.row.ID, u.row.Version, until) })
	if err != nil {
		return u.refused(ctx, err)
	}
	u.row.Taken = until
	u.row.Version++
	return nil
}

// renew says now and then that this request has the upload still, and stores
// what has arrived: if this node dies, another goes on from there.
func (u *upload) renew() error {
	if u.row.Taken.IsZero() || u.r.opts.Now().Before(u.row.Taken.Add(renewEvery-uploadLease)) {
		return nil
	}
	row, err := u.state()
	if err != nil {
		return err
	}
	row.Taken = u.r.lease()
	return u.save(context.WithoutCancel(u.ctx), row)
}

// busyError refuses an upload that another request is using.
type busyError struct{ after time.Duration }

// usualWait is how long to wait for a request of this node.
const usualWait = time.Second

var errUploadBusy = func() *orlop.Error {
	e := orlop.ErrUploadInvalid.With("the upload is in use by another request")
	e.Status = 409
	return e
}()

// Error implements error.
func (e *busyError) Error() string { return errUploadBusy.Error() }

// Unwrap makes it the specification's error.
func (e *busyError) Unwrap() error { return errUploadBusy }

// RetryAfter is when it will have been let go of.
func (e *busyError) RetryAfter() time.Duration { return e.after }

// refused translates what the store says to a change of the upload. If another
// request has changed it since, this one has lost it.
func (u *upload) refused(ctx context.Context, err error) error {
	if !errors.Is(err, sqlmeta.ErrTaken) {
		return translate(err, nil)
	}
	u.lost = true
	row, err := u.r.db.Upload(ctx, u.r.id, u.row.ID)
	switch {
	case errors.Is(err, sqlmeta.ErrNotFound), err == nil && row.Ended:
		u.r.uploads.end(u.row.ID)
		return orlop.ErrUploadUnknown
	case err != nil:
		return translate(err, nil)
	}
	return &busyError{usualWait}
}

// forget deletes an object of an upload that was lost, unless the request that
// has the upload now goes on with the object.
func (u *upload) forget(ctx context.Context, key string) error {
	if key == "" {
		return nil
	}
	var dropped bool
	err := u.r.db.Update(ctx, func(tx *sqlmeta.Tx) (err error) {
		dropped, err = tx.DropObject(u.r.id, key)
		return err
	})
	if err == nil && dropped {
		err = u.r.blobs.Delete(ctx, key)
	}
	return translate(err, nil)
}
