package server

import (
	"context"
	"sync"
	"time"
)

// readyFor is how long an answer about readiness stands: anybody may ask, and
// the answer writes a file.
const readyFor = time.Second

// readiness asks whether the registry can do its work, at most once in
// readyFor.
type readiness struct {
	probe func(context.Context) error

	mu    sync.Mutex
	asked time.Time // guarded by mu, like err
	err   error
}

func (r *readiness) check(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) < readyFor {
		return r.err
	}
	// The answer is for everybody: it must not depend on this client staying.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	r.err = r.probe(ctx)
	r.asked = time.Now()
	return r.err
}
