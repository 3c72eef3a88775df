package gc

import (
	"context"
	"math/rand/v2"
	"time"
)

// maxInterval is how long Run waits at most after failures.
const maxInterval = 15 * time.Minute

// Run collects garbage in the background until ctx ends: it looks at the queues
// at each interval and works at a steady pace while something is due. Times vary
// by chance, so that nodes do not work in step.
func (c *Collector) Run(ctx context.Context) {
	interval := c.opts.Interval
	p := &pace{share: c.opts.Share, kick: c.kick}
	for {
		asked := p.kicked
		if asked {
			p = &pace{share: 1}
		}
		_, err := c.cycle(ctx, p, nil)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			interval = min(2*interval, maxInterval)
			c.opts.Log.Warn("garbage collection failed in part, it is tried again", "error", err)
		default:
			interval = c.opts.Interval
		}
		if asked {
			c.answered()
		}
		if !p.kicked {
			p = &pace{share: c.opts.Share, kick: c.kick}
			if !p.rest(ctx, jitter(interval)) {
				return
			}
		}
	}
}

// Trigger asks Run for a full cycle now, without rests. Status tells when that has
// ended. It is no use where Run does not run.
func (c *Collector) Trigger() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Asked = true
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// answered notes that a cycle which was asked for has ended, unless another has
// been asked for since.
func (c *Collector) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Asked = len(c.kick) > 0
}

// pace spreads work over time.
type pace struct {
	share  float64
	kick   <-chan struct{} // ends all rests
	kicked bool
}

// repeat takes steps while there are more. After each it rests, as long as the
// share says, measured by how long the step took.
func (p *pace) repeat(ctx context.Context, step func() (more bool, err error)) error {
	for {
		start := time.Now()
		more, err := step()
		if err != nil || !more {
			return err
		}
		took := time.Since(start)
		if !p.rest(ctx, jitter(time.Duration(float64(took)*(1/p.share-1)))) {
			return ctx.Err()
		}
	}
}

// jitter is a time of three quarters to five quarters of d.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2))
}

// rest waits, unless somebody is waiting for the end of the work; it is false if
// ctx ends before.
func (p *pace) rest(ctx context.Context, d time.Duration) bool {
	if d <= 0 || p.kicked {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.kick:
		p.kicked = true
		return true
	case <-ctx.Done():
		return false
	}
}
