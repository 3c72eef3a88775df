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
// done. An error tells of what could not be done and is tried again at a later
// cycle; everything else was done. Cycles may run beside each other.
func (c *Collector) Cycle(ctx context.Context) (Report, error) { return c.CycleTelling(ctx, nil) }

// CycleTelling is Cycle, and tells progress after each step what was done so far.
func (c *Collector) CycleTelling(ctx context.Context, progress func(Report)) (Report, error) {
	return c.cycle(ctx, &pace{share: 1}, progress)
}

func (c *Collector) cycle(ctx context.Context, p *pace, progress func(Report)) (Report, error) {
	if progress == nil {
		progress = func(Report) {}
	}
	cy := &cycle{Collector: c, pace: p, progress: progress}
	start, began := time.Now(), c.db.Now()
	c.mu.Lock()
	c.status.Running++
	c.mu.Unlock()
	err := cy.work(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.status
	s.Running--
	s.Began, s.Ended, s.Last, s.Err = began, c.db.Now(), cy.report, err
	s.Cycles++
	s.Busy += time.Since(start)
	if err != nil {
		s.Failures++
	}
	return cy.report, err
}

// cycle is one look at all that is due.
type cycle struct {
	*Collector
	pace     *pace
	progress func(Report)
	report   Report
}

// count adds something to the reports of this cycle and of all.
func (c *cycle) count(add func(*Report)) {
	add(&c.report)
	c.mu.Lock()
	add(&c.status.Total)
	c.mu.Unlock()
	c.progress(c.report)
}

// work takes the steps that have something to do, and those after them, for which
// they may have found something. What is queued is due later, but for what was
// waited for already, so that there is an end.
func (c *cycle) work(ctx context.Context) error {
	until := c.db.Now()
	todo, err := c.db.GCWork(ctx, until)
	if err != nil {
		return fmt.Errorf("look for garbage: %w", err)
	}
	var errs []error
	began := false
	for _, phase := range []struct {
		due bool
		run func(context.Context, time.Time) error
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
		if err := phase.run(ctx, until); err != nil {
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
func (c *cycle) purge(ctx context.Context, _ time.Time) error {
	return c.pace.repeat(ctx, func() (more bool, err error) {
		err = c.db.Update(ctx, func(tx *sqlmeta.Tx) (err error) {
			more, err = tx.PurgeRegistries(expireRows)
			return err
		})
		return more, about("purge registries", err)
	})
}

func (c *cycle) uploads(ctx context.Context, until time.Time) error {
	return c.expire(ctx, until, "expire uploads", (*sqlmeta.Tx).ExpireUploads, func(r *Report, rv *meta.Review) { r.Uploads += rv.Removed })
}

func (c *cycle) expired(ctx context.Context, until time.Time) error {
	return c.expire(ctx, until, "expire what was deleted", (*sqlmeta.Tx).ExpireDeleted, func(r *Report, rv *meta.Review) { r.Expired += rv.Removed })
}

func (c *cycle) expire(ctx context.Context, until time.Time, what string,
	step func(*sqlmeta.Tx, sqlmeta.Step) (meta.Review, error), add func(*Report, *meta.Review),
) error {
	return c.pace.repeat(ctx, func() (bool, error) {
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

func (c *cycle) manifests(ctx context.Context, until time.Time) error {
	return c.review(ctx, until, "review manifests", (*sqlmeta.Tx).ReviewManifests, (*sqlmeta.Tx).PostponeManifest,
		func(r *Report) *Counts { return &r.Manifests })
}

func (c *cycle) reviewBlobs(ctx context.Context, until time.Time) error {
	return c.review(ctx, until, "review blobs", (*sqlmeta.Tx).ReviewBlobs, (*sqlmeta.Tx).PostponeBlob,
		func(r *Report) *Counts { return &r.Blobs })
}

// review takes what is due from a queue. A step that is refused, by a foreign key
// for one, is taken again row by row, and the row that it is refused for goes to
// the back of the queue: one hot row must not keep the others waiting.
func (c *cycle) review(ctx context.Context, until time.Time, what string,
	step func(*sqlmeta.Tx, sqlmeta.Step, func(meta.Removal)) (meta.Review, error),
	postpone func(*sqlmeta.Tx, time.Time) error, counts func(*Report) *Counts,
) error {
	s := sqlmeta.Step{Until: until, Rows: stepRows, Time: stepTime}
	alone := 0 // rows still to be taken one by one
	var refused error
	err := c.pace.repeat(ctx, func() (bool, error) {
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
func (c *cycle) forget(ctx context.Context, step func(*sqlmeta.Tx, func(meta.Removal)) (meta.Review, error)) (rv meta.Review, err error) {
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
func (c *cycle) objects(ctx context.Context, until time.Time) error {
	var failed error
	err := c.pace.repeat(ctx, func() (bool, error) {
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
func (c *cycle) remove(ctx context.Context, due []meta.Object) (gone []meta.Object, first error) {
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
