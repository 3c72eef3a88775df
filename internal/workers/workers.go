// Package workers calls a function for many things, several at once. Unlike an
// errgroup it starts no goroutine for each: those that are done take the next, for
// their stacks have grown to what the function needs.
package workers

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"
)

// Each calls f for each of the things, at most limit at once, in their order as far
// as that says anything. The first error ends the context of the calls and the
// taking of things, and is returned; so does the end of ctx. things is used by one
// goroutine, and may wait until there is room for the next.
func Each[T any](ctx context.Context, limit int, things iter.Seq[T], f func(context.Context, T) error) error {
	g, calls := errgroup.WithContext(ctx)
	g.SetLimit(limit)
	next := make(chan T)
	for thing := range things {
		if calls.Err() != nil {
			break
		}
		hand(calls, g, next, thing, f)
	}
	close(next)
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// hand gives a thing to a worker that is idle, to a new one, or to the next that
// will be idle.
func hand[T any](ctx context.Context, g *errgroup.Group, next chan T, thing T, f func(context.Context, T) error) {
	select {
	case next <- thing:
		return
	default:
	}
	if g.TryGo(func() error { return work(ctx, next, thing, f) }) {
		return
	}
	select {
	case next <- thing:
	case <-ctx.Done():
	}
}

func work[T any](ctx context.Context, next chan T, thing T, f func(context.Context, T) error) error {
	for more := true; more; thing, more = <-next {
		if err := f(ctx, thing); err != nil {
			return err
		}
	}
	return nil
}
