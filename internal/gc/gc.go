// Package gc removes what nothing needs any more, beside a registry that serves:
// uploads that have expired, what was deleted and can be restored no more,
// manifests that nothing keeps, blobs that no manifest uses, and their objects.
//
// What may have lost its last use stands in queues, written by the change that
// may have orphaned it; a Collector reviews it when its grace is over. So its
// cost grows with what changed, not with what is stored. Foreign keys prove that
// nothing is removed which is used. No store is called inside a transaction, each
// transaction is short, and any number of collectors may work at once, in one
// process or in many, without a leader. The protocol is in docs/design, 13.
package gc

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// Cache is what keeps content that was read from the metadata store.
type Cache interface {
	// Forget keeps content out of the cache until release is called. It must not
	// use the stores: it is called inside a transaction.
	Forget(meta.Removal) (release func())
}

// Options change a collector. The zero value is the default.
type Options struct {
	// Cache is told of what is removed before it is; nil: nothing is cached.
	Cache Cache
	// Interval is the time between two looks at the queues of Run; a minute if 0.
	Interval time.Duration
	// Share is the part of the time in which Run works while there is something to
	// do, so that others have the stores to themselves for the rest; a tenth if 0,
	// all of it if 1.
	Share float64
	Log   *slog.Logger // discarded if nil
}

func (o *Options) setDefaults() {
	if o.Cache == nil {
		o.Cache = noCache{}
	}
	if o.Interval == 0 {
		o.Interval = time.Minute
	}
	if o.Share == 0 {
		o.Share = 0.1
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

type noCache struct{}

func (noCache) Forget(meta.Removal) func() { return func() {} }

// Collector collects garbage. Its methods may be called concurrently.
type Collector struct {
	db    *sqlmeta.DB
	blobs blob.Store
	opts  Options
	kick  chan struct{} // asks Run for a cycle

	mu     sync.Mutex
	status Status // guarded by mu
}

// New returns a collector on a metadata store and a blob store.
func New(db *sqlmeta.DB, blobs blob.Store, o Options) *Collector {
	o.setDefaults()
	return &Collector{db: db, blobs: blobs, opts: o, kick: make(chan struct{}, 1)}
}

// Status is what a collector is doing and has done since its process began.
type Status struct {
	Running int       // cycles at this moment
	Asked   bool      // for a cycle by Trigger, which has not ended
	Began   time.Time // of the cycle that ended last
	Ended   time.Time
	Last    Report // of that cycle
	Err     error  // of that cycle

	Cycles   int           // that have ended
	Failures int           // of these
	Busy     time.Duration // all cycles together
	Total    Report        // of all cycles, also those that run
}

// Status tells what the collector of this process is doing and has done.
func (c *Collector) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Queues tells how much waits for any collector.
func (c *Collector) Queues(ctx context.Context) (meta.GCQueues, error) { return c.db.GCQueues(ctx) }

// Report counts what was done.
type Report struct {
	Uploads   int    `json:"uploads"`   // that had expired
	Expired   int    `json:"expired"`   // manifests that could be restored no more
	Manifests Counts `json:"manifests"` // reviewed
	Blobs     Counts `json:"blobs"`     // reviewed
	Objects   int    `json:"objects"`   // removed from the blob store
	Freed     int64  `json:"freed"`     // bytes, in both stores
	Later     int    `json:"later"`     // objects of the removed blobs, which go when their grace is over
	LaterSize int64  `json:"laterSize"` // bytes of these
	Failed    int    `json:"failed"`    // reviews and removals, which are tried again
}

// Counts are outcomes of reviews.
type Counts struct {
	Removed   int `json:"removed"`
	Kept      int `json:"kept"`
	Postponed int `json:"postponed"` // in use at that moment, or kept by a lock
}

func (c *Counts) add(rv *meta.Review) {
	c.Removed += rv.Removed
	c.Kept += rv.Kept
	c.Postponed += rv.Postponed
}

// Explain tells what a cycle would remove now and why, and, with kept, of all else
// that waits for one why that stays. It changes nothing.
func (c *Collector) Explain(ctx context.Context, kept bool) iter.Seq2[meta.Finding, error] {
	return c.db.GCFindings(ctx, kept)
}

// Now is the time by the clock of the stores.
func (c *Collector) Now() time.Time { return c.db.Now() }
