package gc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// Bounds of one transaction. On one node it shares a commit with those of who
// pushes, and they wait for each other.
const (
	stepRows = 64
	stepTime = 5 * time.Millisecond
)

// objectsAtOnce is how many objects are removed at a time.
const objectsAtOnce = 8

// Cycle looks once at all that is due now, without rests, and tells what it has
// done. A cycle that runs already is waited for. An error tells of what could not
// be done and is tried again at a later cycle; everything else was done.
func (c *Collector) Cycle(ctx context.Context) (Report, error) {
	return c.cycle(ctx, 1)
}

// cycle works for the given share of the time.
func (c *Collector) cycle(ctx context.Context, share float64) (Report, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return Report{}, ctx.Err()
	}
	start := time.Now()
	c.begin()
	err := c.work(ctx, &pace{share: share})
	return c.end(time.Since(start), err), err
}

func (c *Collector) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Running, c.status.Began, c.status.Now = true, c.db.Now(), Report{}
}

func (c *Collector) end(took time.Duration, err error) Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.status
	s.Running, s.Ended, s.Err = false, c.db.Now(), err
	s.Cycles++
	s.Busy += took
	if err != nil {
		s.Failures++
	}
	return s.Now
}

// work takes the steps that have something to do, and those after them, for which
// they may have found something. What is queued is due later, but for what was
// waited for already, so that there is an end.
func (c *Collector) work(ctx context.Context, p *pace) error {
	until := c.db.Now()
	todo, err := c.db.GCWork(ctx, until)
	if err != nil {
		return fmt.Errorf("look for garbage: %w", err)
	}
	var errs []error
	began := false
	for _, phase := range []struct {
		due bool
		run func(context.Context, *pace, time.Time) error
	}{
		{todo.Registries, c.purge},
		{todo.Uploads, c.uploads},
		{todo.Deleted, c.expired},
		{todo.Manifests, c.manifests},
		{todo.Blobs, c.reviewBlobs},
		{todo.Objects, c.objects},
	} {
		if began = began || phase.due; !began {
			continue
		}
		if err := phase.run(ctx, p, until); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(errs...)
}

// expireRows bounds a step of what is expired: each row may take others along.
const expireRows = 16

// purge takes what deleted registries held.
func (c *Collector) purge(ctx context.Context, p *pace, _ time.Time) error {
	return p.repeat(ctx, func() (more bool, err error) {
		err = c.db.Update(ctx, func(tx *sqlmeta.Tx) (err error) {
			more, err = tx.PurgeRegistries(expireRows)
			return err
		})
		return more, about("purge registries", err)
	})
}

func (c *Collector) uploads(ctx context.Context, p *pace, until time.Time) error {
	return c.expire(ctx, p, until, "expire uploads", (*sqlmeta.Tx).ExpireUploads, func(r *Report, rv *meta.Review) { r.Uploads += rv.Removed })
}

func (c *Collector) expired(ctx context.Context, p *pace, until time.Time) error {
	return c.expire(ctx, p, until, "expire what was deleted", (*sqlmeta.Tx).ExpireDeleted, func(r *Report, rv *meta.Review) { r.Expired += rv.Removed })
}

func (c *Collector) expire(ctx context.Context, p *pace, until time.Time, what string,
	step func(*sqlmeta.Tx, sqlmeta.Step) (meta.Review, error), add func(*Report, *meta.Review),
) error {
	return p.repeat(ctx, func() (bool, error) {
		var rv meta.Review
		err := c.db.Update(ctx, func(tx *sqlmeta.Tx) (err error) {
			rv, err = step(tx, sqlmeta.Step{Until: until, Rows: expireRows})
			return err
		})
		if err != nil {
			return false, about(what, err)
		}
		c.count(func(r *Report) { add(r, &rv) })
		return rv.More, nil
	})
}

func (c *Collector) manifests(ctx context.Context, p *pace, until time.Time) error {
	return c.review(ctx, p, until, "review manifests", (*sqlmeta.Tx).ReviewManifests, (*sqlmeta.Tx).PostponeManifest,
		func(r *Report) *Counts { return &r.Manifests })
}

func (c *Collector) reviewBlobs(ctx context.Context, p *pace, until time.Time) error {
	return c.review(ctx, p, until, "review blobs", (*sqlmeta.Tx).ReviewBlobs, (*sqlmeta.Tx).PostponeBlob,
		func(r *Report) *Counts { return &r.Blobs })
}

// review takes what is due from a queue. A step that is refused, by a foreign key
// for one, is taken again row by row, and the row that it is refused for goes to
// the back of the queue: one hot row must not keep the others waiting.
func (c *Collector) review(ctx context.Context, p *pace, until time.Time, what string,
	step func(*sqlmeta.Tx, sqlmeta.Step, func(meta.Removal)) (meta.Review, error),
	postpone func(*sqlmeta.Tx, time.Time) error, counts func(*Report) *Counts,
) error {
	s := sqlmeta.Step{Until: until, Rows: stepRows, Time: stepTime}
	alone := 0 // rows still to be taken one by one
	var refused error
	err := p.repeat(ctx, func() (bool, error) {
		if s.Rows = stepRows; alone > 0 {
			s.Rows = 1
		}
		rv, err := c.forget(ctx, func(tx *sqlmeta.Tx, going func(meta.Removal)) (meta.Review, error) { return step(tx, s, going) })
		switch {
		case err == nil:
			alone = max(alone-1, 0)
			c.count(func(r *Report) {
				counts(r).add(&rv)
				r.Freed += rv.Freed
				r.Later += rv.Objects
				r.LaterSize += rv.Later
			})
			return rv.More, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		case s.Rows > 1:
			alone = stepRows
			return true, nil
		}
		refused = about(what, err)
		c.count(func(r *Report) { r.Failed++ })
		alone--
		return true, about(what, c.db.Update(ctx, func(tx *sqlmeta.Tx) error { return postpone(tx, until) }))
	})
	return errors.Join(refused, err)
}

// forget runs a step and keeps what it removes out of the cache until it is
// known whether it was removed.
func (c *Collector) forget(ctx context.Context, step func(*sqlmeta.Tx, func(meta.Removal)) (meta.Review, error)) (rv meta.Review, err error) {
	var releases []func()
	defer func() {
		for _, release := range releases {
			release()
		}
	}()
	err = c.db.Update(ctx, func(tx *sqlmeta.Tx) (err error) {
		rv, err = step(tx, func(gone meta.Removal) { releases = append(releases, c.opts.Cache.Forget(gone)) })
		return err
	})
	return rv, err
}

// objects removes objects, then the rows that list them: a crash between leaves
// a row whose object is gone, which is no error the next time.
func (c *Collector) objects(ctx context.Context, p *pace, until time.Time) error {
	var failed error
	err := p.repeat(ctx, func() (bool, error) {
		var due []meta.Object
		if err := c.db.Update(ctx, func(tx *sqlmeta.Tx) (err error) {
			due, err = tx.ClaimObjects(sqlmeta.Step{Until: until, Rows: stepRows})
			return err
		}); err != nil {
			return false, about("claim objects", err)
		}
		gone, err := c.remove(ctx, due)
		failed = errors.Join(failed, err)
		if err := c.db.Update(ctx, func(tx *sqlmeta.Tx) error { return tx.ForgetObjects(gone) }); err != nil {
			return false, about("note what was removed", err)
		}
		c.count(func(r *Report) {
			r.Failed += len(due) - len(gone)
			r.Objects += len(gone)
			for _, o := range gone {
				r.Freed += o.Size
			}
		})
		return len(due) == stepRows, nil
	})
	return errors.Join(failed, err)
}

// remove removes objects and tells which are gone: one that cannot be removed
// must not keep the others. It returns the first error.
func (c *Collector) remove(ctx context.Context, due []meta.Object) (gone []meta.Object, first error) {
	var mu sync.Mutex // guards gone and first
	var g errgroup.Group
	g.SetLimit(objectsAtOnce)
	for _, o := range due {
		g.Go(func() error {
			err := c.blobs.Delete(ctx, o.Key)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				gone = append(gone, o)
			case first == nil:
				first = fmt.Errorf("remove object %s: %w", o.Key, err)
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return gone, first
}

// about says what was tried.
func about(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
