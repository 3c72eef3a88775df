package server

import (
	"context"
	"time"

	"github.com/orlop/orlop/internal/admin"
	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/meta"
)

// garbage shows the collector to the management API.
type garbage struct{ *gc.Collector }

// Report implements adminapi.Garbage.
func (g garbage) Report(ctx context.Context) (admin.GC, error) {
	q, err := g.Queues(ctx)
	if err != nil {
		return admin.GC{}, err
	}
	s := g.Status()
	out := admin.GC{
		Running: s.Running > 0, Asked: s.Asked, Began: timeOf(s.Began), Ended: timeOf(s.Ended),
		Last: reportOf(s.Last), Total: reportOf(s.Total), Cycles: s.Cycles,
		Queues: admin.GCQueues{Blobs: queueOf(q.Blobs), Manifests: queueOf(q.Manifests), Objects: queueOf(q.Objects)},
	}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return out, nil
}

func reportOf(r gc.Report) admin.GCReport {
	return admin.GCReport{
		Uploads: r.Uploads, Expired: r.Expired, Manifests: admin.GCCounts(r.Manifests), Blobs: admin.GCCounts(r.Blobs),
		Objects: r.Objects, Freed: r.Freed, Later: r.Later, LaterSize: r.LaterSize, Failed: r.Failed,
	}
}

func queueOf(q meta.GCQueue) admin.GCQueue {
	return admin.GCQueue{Rows: q.Rows, Due: q.Due, Oldest: timeOf(q.Oldest)}
}

// timeOf is a time that may be zero.
func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}
