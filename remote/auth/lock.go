package auth

import (
	"context"
	"sync"
)

// keyedLock is a mutual exclusion for each key that a context can give up on,
// so that of many requests that need the same token one asks for it.
type keyedLock struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed on release
}

// lock waits until the key is free, or ctx is done, and takes it.
func (l *keyedLock) lock(ctx context.Context, key string) (release func(), err error) {
	for {
		l.mu.Lock()
		held, busy := l.held[key]
		if !busy {
			done := make(chan struct{})
			if l.held == nil {
				l.held = map[string]chan struct{}{}
			}
			l.held[key] = done
			l.mu.Unlock()
			return func() { l.release(key, done) }, nil
		}
		l.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (l *keyedLock) release(key string, done chan struct{}) {
	l.mu.Lock()
	delete(l.held, key)
	l.mu.Unlock()
	close(done)
}
