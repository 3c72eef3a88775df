package registries

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/orlop/orlop"
)

// Endpoint is what a Source is opened as: a registry over HTTP.
type Endpoint interface {
	orlop.Registry
	orlop.DigestPusher
	orlop.MountPusher
	orlop.SmallReader
}

// Opener opens a source. It may send requests, to learn how the source can be
// spoken to.
type Opener func(ctx context.Context, s Source) (Endpoint, error)

// endpoint is a source that is opened when it is first needed.
type endpoint struct {
	Source
	opener Opener
	failed atomic.Bool // it is a mirror and of no use

	mu     sync.Mutex
	opened Endpoint // guarded by mu; nil before
}

func (e *endpoint) open(ctx context.Context) (Endpoint, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.opened != nil {
		return e.opened, nil
	}
	opened, err := e.opener(ctx, e.Source)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", e.Host, err)
	}
	e.opened = opened
	return opened, nil
}
