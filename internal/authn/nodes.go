package authn

import (
	"context"
	"fmt"
	"sync"
)

// Where several nodes share the store, each asks it at every request whether any
// has changed what it keeps in memory: principals, scope maps, how registries
// are open, signing keys. So a secret that is revoked on one is refused by all
// from the next request on. Wrong passwords are counted by each node for itself.

// follow learns of what other nodes have changed before it was called.
func (a *Authenticator) follow(ctx context.Context) error {
	if !a.store.Shared() {
		return nil
	}
	version, err := a.versions.read(ctx)
	if err != nil {
		return fmt.Errorf("look for changes of identities: %w", err)
	}
	a.people.follow(version)
	dropped, err := a.keys.follow(ctx, version)
	if dropped {
		a.sessions.clear() // of tokens that the key has signed
	}
	return err
}

// follow forgets everybody if there have been changes since the version that it
// was last called with.
func (p *people) follow(version int64) {
	p.mu.RLock()
	known := p.followed
	p.mu.RUnlock()
	if version <= known {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if version > p.followed {
		p.followed = version
		p.forgetAll()
	}
}

// follow reads the keys again if there have been changes since. dropped is as of
// use.
func (k *keyring) follow(ctx context.Context, version int64) (dropped bool, err error) {
	if version <= k.followed.Load() {
		return false, nil
	}
	k.following.Lock()
	defer k.following.Unlock()
	if version <= k.followed.Load() {
		return false, nil
	}
	if dropped, err = k.read(ctx); err == nil {
		k.followed.Store(version)
	}
	return dropped, err
}

// read takes the signing keys that the store has now.
func (k *keyring) read(ctx context.Context) (dropped bool, err error) {
	keys, err := k.store.ServerKeys(ctx, purposeSign)
	if err != nil {
		return false, fmt.Errorf("read signing keys: %w", err)
	}
	if len(keys) == 0 {
		return false, fmt.Errorf("server key %s is gone", purposeSign)
	}
	return k.use(keys)
}

// versions reads a version for many requests at once: those that come while one
// read is under way share the next, which begins after all of them have asked.
type versions struct {
	query func(context.Context) (int64, error)

	mu      sync.Mutex
	next    *reading // not begun; nil if nobody waits for one
	running bool
}

type reading struct {
	done    chan struct{}
	version int64 // set when done, like err
	err     error
}

func (v *versions) read(ctx context.Context) (int64, error) {
	v.mu.Lock()
	if v.next == nil {
		v.next = &reading{done: make(chan struct{})}
	}
	r := v.next
	if !v.running {
		v.running = true
		go v.run(context.WithoutCancel(ctx))
	}
	v.mu.Unlock()
	select {
	case <-r.done:
		return r.version, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// run reads as often as somebody waits.
func (v *versions) run(ctx context.Context) {
	for {
		v.mu.Lock()
		r := v.next
		v.next, v.running = nil, r != nil
		v.mu.Unlock()
		if r == nil {
			return
		}
		r.version, r.err = v.query(ctx)
		close(r.done)
	}
}
