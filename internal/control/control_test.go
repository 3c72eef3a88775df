package control_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob/mem"
	"github.com/orlop/orlop/internal/control"
	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
	"github.com/orlop/orlop/internal/registry"
)

// start serves a collector, with one blob to remove, on the socket of dir.
func start(t *testing.T, dir string) *registry.Registry {
	t.Helper()
	db, err := sqlmeta.Open(t.Context(), filepath.Join(t.TempDir(), "meta.db"), sqlmeta.Options{ReviewGrace: -1})
	if err != nil {
		t.Fatal(err)
	}
	blobs := mem.New(mem.Options{})
	svc, err := registry.New(db, blobs, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reg := svc.Registry(meta.DefaultRegistry, registry.Actor{})
	desc := orlop.Descriptor{Digest: digest.FromString("x"), Size: 1}
	if err := reg.PushBlob(t.Context(), "a", desc, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	l, err := control.Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: control.Handler(gc.New(db, blobs, gc.Options{Cache: svc})), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
		db.Close()
	})
	return reg
}

// TestCollectAndExplain asks a server what would go, and to do it.
func TestCollectAndExplain(t *testing.T) {
	for name, dir := range map[string]string{
		"short": t.TempDir(), "longer than a socket's path may be": filepath.Join(t.TempDir(), strings.Repeat("long", 30)),
	} {
		t.Run(name, func(t *testing.T) {
			reg := start(t, dir)
			client, err := control.Dial(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for f, err := range client.Explain(t.Context(), false) {
				if err != nil || f.Kind != meta.GCBlob || f.Digest != digest.FromString("x") || !f.Goes || f.Repositories[0] != "a" || f.Reason == "" {
					t.Errorf("%+v, %v", f, err)
				}
				n++
			}
			told := 0
			report, err := client.Collect(t.Context(), func(gc.Report) { told++ })
			if err != nil || n != 1 || told == 0 || report.Blobs.Removed != 1 || report.Freed != 1 {
				t.Errorf("%d findings, told %d times, %+v, %v", n, told, report, err)
			}
			if _, err := reg.StatBlob(t.Context(), "a", digest.FromString("x")); !errors.Is(err, orlop.ErrBlobUnknown) {
				t.Errorf("the blob is still served: %v", err)
			}
		})
	}
}

// TestSocketIsPrivate wants nobody else to reach the socket.
func TestSocketIsPrivate(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	for name, want := range map[string]os.FileMode{"run": 0o700, "run/control.sock": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// TestNoServer wants it to be told that there is none, also where a server was
// killed; and the next one to take its place.
func TestNoServer(t *testing.T) {
	dir := t.TempDir()
	if _, err := control.Dial(t.Context(), dir); !errors.Is(err, control.ErrNoServer) {
		t.Errorf("nothing there: %v", err)
	}
	l, err := control.Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // leaves the socket
	if _, err := control.Dial(t.Context(), dir); !errors.Is(err, control.ErrNoServer) {
		t.Errorf("a dead socket: %v", err)
	}
	start(t, dir)
	if _, err := control.Dial(t.Context(), dir); err != nil {
		t.Errorf("a new server: %v", err)
	}
}

// TestServerStopsInTheMiddle wants an error, and not half an answer.
func TestServerStopsInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	l, err := control.Listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"report":{"freed":1}}` + "\n"))
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	client, err := control.Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Collect(t.Context(), func(gc.Report) {}); err == nil || !strings.Contains(err.Error(), "stopped") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Collect(ctx, func(gc.Report) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
