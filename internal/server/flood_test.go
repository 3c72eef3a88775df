package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/meta"
)

// flood has 32 clients try wrong passwords for known and unknown names until ctx
// ends. It tells when the first is throttled, and in the end how many answers of
// each status they got.
func flood(ctx context.Context, t testing.TB, client *http.Client, url string, names ...string) (throttled <-chan struct{}, wait func() map[int]int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	first := make(chan struct{})
	for i := range 32 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				status, err := request(ctx, client, url, basicly(names[(i+n)%len(names)], fmt.Sprint("guess", i, n)))
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				if statuses[status]++; status == http.StatusTooManyRequests && statuses[status] == 1 {
					close(first)
				}
				mu.Unlock()
			}
		})
	}
	return first, func() map[int]int { wg.Wait(); return statuses }
}

func request(ctx context.Context, client *http.Client, url, authorization string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", authorization)
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// flooded is a server under a flood, and the credentials of somebody good.
func flooded(t testing.TB) (srv *httptest.Server, good []string) {
	t.Helper()
	cfg := config.Default()
	cfg.Data, cfg.AdminPassword = t.TempDir(), "admin-password"
	s, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.authn.EnsureAdmin(t.Context(), "admin-password"); err != nil {
		t.Fatal(err)
	}
	pull := []meta.RoleAssignment{{Role: "AcrPull"}}
	app, secret, err := s.authn.CreateServicePrincipal(t.Context(), reg, "ci", pull)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.authn.CreateUser(t.Context(), reg, "ann", "a password of ann's", pull); err != nil {
		t.Fatal(err)
	}
	srv = httptest.NewServer(s)
	t.Cleanup(srv.Close)
	srv.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	return srv, []string{basicly(app.Name, secret), basicly("ann", "a password of ann's")}
}

// TestFloodOfWrongPasswords is threat S15 from outside: 32 clients with wrong
// passwords are throttled, and the good ones beside them, at the same address,
// are all served.
func TestFloodOfWrongPasswords(t *testing.T) {
	srv, good := flooded(t)
	url := srv.URL + "/v2/"
	for _, g := range good {
		if status, err := request(t.Context(), srv.Client(), url, g); status != 200 || err != nil {
			t.Fatal(status, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	throttled, wait := flood(ctx, t, srv.Client(), url, "ann", "admin", "nobody", "00000000-0000-4000-8000-000000000000")
	until := throttled
	for i := 0; i < 300 || until != nil; i++ {
		select {
		case <-until:
			until = nil
		default:
		}
		if status, err := request(t.Context(), srv.Client(), url, good[i%len(good)]); status != 200 || err != nil {
			t.Fatalf("a good client: %d, %v", status, err)
		}
	}
	cancel()
	for status := range wait() {
		if status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
			t.Errorf("a wrong password is answered %d", status)
		}
	}
}

// BenchmarkGoodClientInFlood measures how long a good client waits while 32
// others try wrong passwords.
func BenchmarkGoodClientInFlood(b *testing.B) {
	srv, good := flooded(b)
	url := srv.URL + "/v2/"
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	_, wait := flood(ctx, b, srv.Client(), url, "ann", "admin", "nobody", "00000000-0000-4000-8000-000000000000")
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if status, err := request(b.Context(), srv.Client(), url, good[0]); status != 200 || err != nil {
			b.Fatal(status, err)
		}
		took = append(took, time.Since(start))
	}
	cancel()
	statuses := wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64((statuses[401] + statuses[429])), "refused")
}
