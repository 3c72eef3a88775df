package authn

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How many wrong credentials are taken. Good ones that were verified lately are
// never counted nor refused, and no account is locked for other addresses.
const (
	pairBurst    = 10              // for one account from one address,
	pairInterval = 6 * time.Second // and one more each
	addrBurst    = 60              // from one address,
	addrInterval = 1 * time.Second // and one more each
	maxWatched   = 4096            // addresses, and pairs, that are watched
	maxWaiting   = 64              // callers that wait for a password to be hashed
	waitingDelay = 2 * time.Second // what the others are told to wait
)

// ThrottledError refuses a credential unseen: too many wrong ones came from the
// address.
type ThrottledError struct {
	After time.Duration // when to try again
}

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("too many failed sign-ins, try again in %v", max(e.After.Round(time.Second), time.Second))
}

// guard counts wrong credentials by address, and by address and account.
type guard struct {
	seed  maphash.Seed
	pairs watch[pair]
	addrs watch[netip.Addr]
}

type pair struct {
	from    netip.Addr
	account uint64 // a hash, so that long names cost no memory
}

func newGuard() *guard {
	return &guard{
		seed:  maphash.MakeSeed(),
		pairs: watch[pair]{every: pairInterval, burst: pairBurst},
		addrs: watch[netip.Addr]{every: addrInterval, burst: addrBurst},
	}
}

func (g *guard) pair(from netip.Addr, account string) pair {
	return pair{network(from), maphash.String(g.seed, account)}
}

// network is what counts as one address: a customer has 2^64 of IPv6.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// check refuses a caller that has used up its wrong credentials.
func (g *guard) check(now time.Time, from netip.Addr, account string) error {
	p := g.pair(from, account)
	if after := max(g.pairs.wait(now, p), g.addrs.wait(now, p.from)); after > 0 {
		return &ThrottledError{After: after}
	}
	return nil
}

// failed counts a wrong credential.
func (g *guard) failed(now time.Time, from netip.Addr, account string) {
	p := g.pair(from, account)
	g.pairs.count(now, p)
	g.addrs.count(now, p.from)
}

// watch holds a limiter for each key that has failed.
type watch[K comparable] struct {
	every time.Duration
	burst int

	mu sync.Mutex
	m  map[K]*rate.Limiter
}

// wait is how long the key has to wait; 0 if it need not.
func (w *watch[K]) wait(now time.Time, k K) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	lim := w.m[k]
	if lim == nil {
		return 0
	}
	missing := 1 - lim.TokensAt(now)
	return max(0, time.Duration(missing*float64(w.every)))
}

// count takes one away. It may go below zero, when several fail at once; the
// wait is the longer then.
func (w *watch[K]) count(now time.Time, k K) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lim := w.m[k]
	if lim == nil {
		lim = w.add(k)
	}
	lim.ReserveN(now, 1)
}

func (w *watch[K]) add(k K) *rate.Limiter {
	if w.m == nil {
		w.m = map[K]*rate.Limiter{}
	}
	if len(w.m) >= maxWatched {
		for old := range w.m {
			delete(w.m, old)
			break
		}
	}
	lim := rate.NewLimiter(rate.Every(w.every), w.burst)
	w.m[k] = lim
	return lim
}
