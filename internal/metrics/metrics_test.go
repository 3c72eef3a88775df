package metrics_test

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/metrics"
	"github.com/orlop/orlop/internal/registry"
)

// TestGarbage wants the figures of a collector before and after a cycle.
func TestGarbage(t *testing.T) {
	db, err := sqlmeta.Open(t.Context(), filepath.Join(t.TempDir(), "meta.db"), sqlmeta.Options{ReviewGrace: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	blobs := mem.New(mem.Options{})
	svc, err := registry.New(db, blobs, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reg := svc.Registry(meta.DefaultRegistry, registry.Actor{})
	for _, content := range []string{"x", "yy"} {
		desc := orlop.Descriptor{Digest: digest.FromString(content), Size: int64(len(content))}
		if err := reg.PushBlob(t.Context(), "a", desc, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	c := gc.New(db, blobs, gc.Options{Cache: svc})
	h := metrics.Handler(c, slog.New(slog.DiscardHandler))
	want := func(lines ...string) {
		t.Helper()
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
		body, _ := io.ReadAll(rec.Body)
		for _, line := range lines {
			if !strings.Contains(string(body), line+"\n") {
				t.Errorf("no line %q in\n%s", line, body)
			}
		}
	}
	want(`orlop_gc_queue_rows{queue="blobs"} 2`, `orlop_gc_queue_due{queue="blobs"} 2`, `orlop_gc_cycle_duration_seconds_count 0`)
	if _, err := c.Cycle(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(`orlop_gc_queue_rows{queue="blobs"} 0`, `orlop_gc_reviews_total{kind="blob",outcome="removed"} 2`,
		`orlop_gc_freed_bytes_total 3`, `orlop_gc_cycle_duration_seconds_count 1`, `orlop_gc_queue_oldest_due_seconds{queue="blobs"} 0`)
}
