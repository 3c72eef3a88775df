package gate

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
)

var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func TestTake(t *testing.T) {
	b := newBuckets(Limit{Registry: 6, Identity: 4})
	for i := range 4 {
		if left, wait := b.take(start, 1, "ann"); left != float64(3-i) || wait != 0 {
			t.Fatalf("%d: %v left, wait %v", i, left, wait)
		}
	}
	if _, wait := b.take(start, 1, "ann"); wait != 15*time.Second {
		t.Errorf("ann waits %v", wait)
	}
	if _, wait := b.take(start, 2, "ann"); wait != 0 {
		t.Errorf("in another registry: %v", wait)
	}
	for range 2 {
		if _, wait := b.take(start, 1, "bob"); wait != 0 {
			t.Errorf("bob pays for ann: %v", wait)
		}
	}
	if _, wait := b.take(start, 1, "bob"); wait != 10*time.Second {
		t.Errorf("the registry is used up, and bob waits %v", wait)
	}
	// A refusal costs nothing: whoever waited as told is served.
	if _, wait := b.take(start.Add(15*time.Second), 1, "ann"); wait != 0 {
		t.Errorf("ann waits again: %v", wait)
	}
	if left, _ := b.take(start.Add(time.Hour), 1, "ann"); left != 3 {
		t.Errorf("after an hour %v are left", left)
	}
	if _, wait := b.take(start, 1, "ann"); wait != 0 { // the clock was set back
		t.Errorf("wait %v", wait)
	}
}

func TestBucketsAreBounded(t *testing.T) {
	b := newBuckets(Limit{Identity: 2})
	for range 2 {
		b.take(start, 1, "greedy")
	}
	for i := range 3 * maxBuckets {
		b.take(start.Add(time.Duration(i)*10*time.Millisecond), 1, strconv.Itoa(i))
		if len(b.identities) > maxBuckets {
			t.Fatalf("%d identities are counted", len(b.identities))
		}
	}
}

func TestLimits(t *testing.T) {
	e := newEnv(t, authn.Options{})
	now := start
	e.Gate = New(Options{Authn: e.ident, Limits: Limits{Read: Limit{0, 2}, Delete: Limit{Registry: 1}}, Now: func() time.Time { return now }})
	ann, bob := e.user(authz.Owner, ""), e.user(authz.Owner, "")
	ask := func(method, auth string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, "/v2/a/manifests/x", nil)
		if auth != "" {
			r.Header.Set("Authorization", auth)
		}
		w := httptest.NewRecorder()
		if _, err := e.Authorize(w, r, authz.Repository("a", authz.Pull)); err != nil {
			e.WriteError(w, r, err)
		}
		return w
	}
	for i, want := range []string{"0.02", "0.00"} {
		if w := ask("GET", ann); w.Code != 200 || w.Header().Get(remainingHeader) != want {
			t.Errorf("%d: %d, %q left", i, w.Code, w.Header().Get(remainingHeader))
		}
	}
	w := ask("HEAD", ann)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "30" || !strings.Contains(w.Body.String(), `"code":"TOOMANYREQUESTS"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	for range 5 { // who may not do it uses nothing up
		if w := ask("GET", ""); w.Code != 401 {
			t.Errorf("a challenge: %d", w.Code)
		}
		if w := ask("GET", basic("nobody", "wrong")); w.Code != 401 {
			t.Errorf("wrong credentials: %d", w.Code)
		}
	}
	if w := ask("GET", bob); w.Code != 200 {
		t.Errorf("bob: %d", w.Code)
	}
	if w := ask("PUT", ann); w.Code != 200 || w.Header().Get(remainingHeader) != "" {
		t.Errorf("a class without a limit: %d %v", w.Code, w.Header())
	}
	if a, b := ask("DELETE", ann), ask("DELETE", bob); a.Code != 200 || b.Code != 429 {
		t.Errorf("one deletion for the registry: %d, %d", a.Code, b.Code)
	}
	now = now.Add(30 * time.Second)
	if w := ask("GET", ann); w.Code != 200 {
		t.Errorf("after the wait: %d", w.Code)
	}
}
