//go:build !windows

package remote_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/orlop/orlop/remote"
)

// Where nothing has ever answered, nobody is waited for; a registry that has
// answered may be on its way back.
func TestRefusedConnection(t *testing.T) {
	var dials atomic.Int64
	transport := remote.NewTransport()
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return dial(ctx, network, addr)
	}
	transport.DisableKeepAlives = true
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	r := f.open(t, remote.Options{Transport: transport})
	late := f.open(t, remote.Options{Transport: transport})
	if err := r.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, tt := range []struct {
		name string
		r    *remote.Registry
		want int64
	}{{"never answered", late, 1}, {"answered before", r, 5}} {
		dials.Store(0)
		err := tt.r.Ping(t.Context())
		if !errors.Is(err, syscall.ECONNREFUSED) || dials.Load() != tt.want {
			t.Errorf("%s: %v after %d dials, want %d", tt.name, err, dials.Load(), tt.want)
		}
	}
}
