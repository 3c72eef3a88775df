package admin

import (
	"context"
	"net/http"
	"time"
)

// GC is what the garbage collector of a server is doing and has done since its
// process began.
type GC struct {
	Running bool       `json:"running"`             // a cycle, at this moment
	Asked   bool       `json:"asked"`               // for a cycle by POST, which has not ended
	Began   *time.Time `json:"lastBegan,omitempty"` // of the cycle that ended last
	Ended   *time.Time `json:"lastEnded,omitempty"`
	Error   string     `json:"lastError,omitempty"`
	Last    GCReport   `json:"last"`
	Total   GCReport   `json:"total"`
	Cycles  int        `json:"cycles"`
	Queues  GCQueues   `json:"queues"`
}

// GCReport counts what was done.
type GCReport struct {
	Uploads   int      `json:"uploads"`   // that had expired
	Expired   int      `json:"expired"`   // manifests that could be restored no more
	Manifests GCCounts `json:"manifests"` // reviewed
	Blobs     GCCounts `json:"blobs"`     // reviewed
	Objects   int      `json:"objects"`   // removed from the blob store
	Freed     int64    `json:"freed"`     // bytes
	Later     int      `json:"later"`     // objects that go in two hours
	LaterSize int64    `json:"laterSize"` // bytes of these
	Failed    int      `json:"failed"`    // to be tried again
}

// GCCounts are outcomes of reviews.
type GCCounts struct {
	Removed   int `json:"removed"`
	Kept      int `json:"kept"`
	Postponed int `json:"postponed"`
}

// GCQueues are what waits.
type GCQueues struct {
	Blobs     GCQueue `json:"blobs"`
	Manifests GCQueue `json:"manifests"`
	Objects   GCQueue `json:"objects"`
}

// GCQueue is a queue; counts go up to 10,000.
type GCQueue struct {
	Rows   int        `json:"rows"`
	Due    int        `json:"due"`
	Oldest *time.Time `json:"oldestDue,omitempty"`
}

// GC tells what the garbage collector is doing.
func (c *Client) GC(ctx context.Context) (GC, error) {
	var out GC
	err := c.call(ctx, http.MethodGet, "gc", nil, &out)
	return out, err
}

// RunGC asks for a full cycle of the garbage collector. GC tells when it has ended.
func (c *Client) RunGC(ctx context.Context) (GC, error) {
	var out GC
	err := c.call(ctx, http.MethodPost, "gc", nil, &out)
	return out, err
}
