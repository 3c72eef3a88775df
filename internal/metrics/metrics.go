// Package metrics shows figures of a server to Prometheus. It is the only package
// that knows its client library: others keep plain numbers, which are read when
// somebody asks.
package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/meta"
)

// queueTimeout bounds the questions to the metadata store of one scrape.
const queueTimeout = 5 * time.Second

// Handler answers GET /metrics with the figures of the process and of its garbage
// collector.
func Handler(c *gc.Collector, log *slog.Logger) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &garbage{c, log})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	return mux
}

// garbage are the figures of a garbage collector.
type garbage struct {
	collector *gc.Collector
	log       *slog.Logger
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("orlop_gc_"+name, help, labels, nil)
}

var (
	reviews       = desc("reviews_total", "Blobs and manifests that were reviewed, by outcome.", "kind", "outcome")
	expired       = desc("expired_total", "Uploads that had expired, and deleted manifests that could be restored no more.", "kind")
	objects       = desc("objects_removed_total", "Objects that were removed from the blob store.")
	freed         = desc("freed_bytes_total", "Bytes that were freed in the metadata store and the blob store.")
	failures      = desc("failures_total", "Reviews and removals that failed, which are tried again.")
	cycleFailures = desc("cycle_failures_total", "Cycles in which something failed.")
	cycles        = desc("cycle_duration_seconds", "Time that cycles took.")
	lastCycle     = desc("last_cycle_timestamp_seconds", "When the last cycle ended.")
	queueRows     = desc("queue_rows", "Rows that wait, counted up to 10000.", "queue")
	queueDue      = desc("queue_due", "Rows that wait and are due, counted up to 10000.", "queue")
	queueOldest   = desc("queue_oldest_due_seconds", "For how long the first row has been due that waits; 0 if none is.", "queue")
)

// Describe implements prometheus.Collector.
func (g *garbage) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		reviews, expired, objects, freed, failures, cycleFailures, cycles, lastCycle, queueRows, queueDue, queueOldest,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *garbage) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	s := g.collector.Status()
	for kind, n := range map[string]gc.Counts{"blob": s.Total.Blobs, "manifest": s.Total.Manifests} {
		counter(reviews, float64(n.Removed), kind, "removed")
		counter(reviews, float64(n.Kept), kind, "kept")
		counter(reviews, float64(n.Postponed), kind, "postponed")
	}
	counter(expired, float64(s.Total.Uploads), "upload")
	counter(expired, float64(s.Total.Expired), "manifest")
	counter(objects, float64(s.Total.Objects))
	counter(freed, float64(s.Total.Freed))
	counter(failures, float64(s.Total.Failed))
	counter(cycleFailures, float64(s.Failures))
	ch <- prometheus.MustNewConstSummary(cycles, uint64(s.Cycles), s.Busy.Seconds(), nil)
	if !s.Ended.IsZero() {
		ch <- prometheus.MustNewConstMetric(lastCycle, prometheus.GaugeValue, float64(s.Ended.UnixMilli())/1000)
	}
	g.queues(ch)
}

// queues tells of what waits for all collectors of the metadata store.
func (g *garbage) queues(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), queueTimeout)
	defer cancel()
	q, err := g.collector.Queues(ctx)
	if err != nil {
		g.log.Warn("queues of the garbage collector cannot be read", "error", err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, queue string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, queue)
	}
	for name, q := range map[string]meta.GCQueue{"blobs": q.Blobs, "manifests": q.Manifests, "objects": q.Objects} {
		gauge(queueRows, float64(q.Rows), name)
		gauge(queueDue, float64(q.Due), name)
		age := 0.0
		if !q.Oldest.IsZero() {
			age = max(0, g.collector.Now().Sub(q.Oldest).Seconds())
		}
		gauge(queueOldest, age, name)
	}
}
