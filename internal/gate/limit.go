package gate

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limit is how many requests a minute a registry, and each identity in it, may
// make. 0 is no limit.
type Limit struct{ Registry, Identity int }

// Limits are those of each class of requests. Nobody in particular is one
// identity, whoever it is.
type Limits struct {
	Read   Limit // GET, HEAD and OPTIONS
	Write  Limit // POST, PUT and PATCH
	Delete Limit
	OAuth  Limit // tokens
}

// remainingHeader tells what is left, in calls a second.
const remainingHeader = "X-Ms-Ratelimit-Remaining-Calls-Per-Second"

// maxBuckets is how many identities are counted in each class.
const maxBuckets = 8192

// overLimit refuses a request that is one too many.
type overLimit struct{ after time.Duration }

func (e *overLimit) Error() string {
	return fmt.Sprintf("too many requests, try again in %d s", seconds(e.after))
}

// limiter counts requests.
type limiter struct {
	now                         func() time.Time
	read, write, deleted, oauth *buckets
}

func newLimiter(l Limits, now func() time.Time) *limiter {
	return &limiter{now: now, read: newBuckets(l.Read), write: newBuckets(l.Write), deleted: newBuckets(l.Delete), oauth: newBuckets(l.OAuth)}
}

// class is where a request of the data plane or of the management counts.
func (l *limiter) class(method string) *buckets {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return l.read
	case http.MethodDelete:
		return l.deleted
	}
	return l.write
}

// CountToken counts a token that a caller, "" for nobody in particular, is about
// to get, and writes the header that tells what is left. It is an error for
// WriteError if there were too many.
func (g *Gate) CountToken(w http.ResponseWriter, registry int64, identity string) error {
	w.Header()[remainingHeader] = unlimited
	return g.limits.count(w, g.limits.oauth, registry, identity)
}

// unlimited is what clients of ACR that look at the header see where nothing is
// counted.
var unlimited = []string{"166.65"}

func (l *limiter) count(w http.ResponseWriter, b *buckets, registry int64, identity string) error {
	if b == nil {
		return nil
	}
	left, wait := b.take(l.now(), registry, identity)
	w.Header().Set(remainingHeader, strconv.FormatFloat(left/60, 'f', 2, 64))
	if wait > 0 {
		return &overLimit{wait}
	}
	return nil
}

// buckets are the token buckets of one class: each fills at its rate and holds
// what comes in a minute.
type buckets struct {
	limit Limit

	mu         sync.Mutex
	registries map[int64]*bucket
	identities map[identityKey]*bucket
}

type identityKey struct {
	registry int64
	identity string
}

type bucket struct {
	tokens float64
	at     time.Time
}

// newBuckets returns nil if there is no limit.
func newBuckets(l Limit) *buckets {
	if l == (Limit{}) {
		return nil
	}
	return &buckets{limit: l, registries: map[int64]*bucket{}, identities: map[identityKey]*bucket{}}
}

// take takes a token of the registry and one of the identity, or none and tells
// how long to wait. left is the lesser of what is in the two.
func (b *buckets) take(now time.Time, registry int64, identity string) (left float64, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var used []*bucket
	left = float64(max(b.limit.Registry, b.limit.Identity))
	for _, k := range []struct {
		bucket *bucket
		rate   int
	}{
		{b.ofRegistry(now, registry), b.limit.Registry},
		{b.ofIdentity(now, identityKey{registry, identity}), b.limit.Identity},
	} {
		if k.bucket == nil {
			continue
		}
		k.bucket.fill(now, k.rate)
		used = append(used, k.bucket)
		left = min(left, k.bucket.tokens)
		if missing := 1 - k.bucket.tokens; missing > 0 {
			wait = max(wait, time.Duration(missing/float64(k.rate)*float64(time.Minute)))
		}
	}
	if wait > 0 {
		return 0, wait
	}
	for _, u := range used {
		u.tokens--
	}
	return left - 1, 0
}

// fill adds what came since it was looked at last.
func (k *bucket) fill(now time.Time, rate int) {
	if passed := now.Sub(k.at); passed > 0 {
		k.tokens = min(float64(rate), k.tokens+passed.Minutes()*float64(rate))
		k.at = now
	}
}

func (b *buckets) ofRegistry(now time.Time, registry int64) *bucket {
	if b.limit.Registry == 0 {
		return nil
	}
	k := b.registries[registry]
	if k == nil {
		k = &bucket{float64(b.limit.Registry), now}
		b.registries[registry] = k
	}
	return k
}

func (b *buckets) ofIdentity(now time.Time, key identityKey) *bucket {
	if b.limit.Identity == 0 {
		return nil
	}
	k := b.identities[key]
	if k == nil {
		b.makeRoom(now)
		k = &bucket{float64(b.limit.Identity), now}
		b.identities[key] = k
	}
	return k
}

// makeRoom drops full buckets, which is no loss, when there are too many; if
// there is none, any.
func (b *buckets) makeRoom(now time.Time) {
	if len(b.identities) < maxBuckets {
		return
	}
	for key, k := range b.identities {
		if k.fill(now, b.limit.Identity); k.tokens >= float64(b.limit.Identity) {
			delete(b.identities, key)
		}
	}
	for key := range b.identities {
		if len(b.identities) < maxBuckets {
			return
		}
		delete(b.identities, key)
	}
}
