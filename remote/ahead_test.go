package remote_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/remote"
)

// far is a registry with one blob whose answers take their time. fail may
// answer a request for a range itself.
func far(t *testing.T, content []byte, fail func(w http.ResponseWriter, r *http.Request) bool) (*fake, *atomic.Int64) {
	var ranges atomic.Int64
	return newFake(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond)
		if r.Header.Get("Range") != "" {
			ranges.Add(1)
			if fail != nil && fail(w, r) {
				return
			}
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}), &ranges
}

func readFrom(t *testing.T, r *remote.Registry, content []byte, off int64) ([]byte, error) {
	t.Helper()
	b, err := r.OpenBlob(t.Context(), "a", describe(content).Digest, off, -1)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return io.ReadAll(b)
}

func TestFarBlobComesInParts(t *testing.T) {
	content := noise(21<<20 + 5)
	for name, tt := range map[string]struct {
		parallel int
		off      int64
		fail     func() func(http.ResponseWriter, *http.Request) bool
		ranges   int64 // -1: some
	}{
		"whole":         {0, 0, nil, 6},
		"two at once":   {2, 0, nil, 5},
		"not in parts":  {1, 0, nil, 0},
		"from a byte":   {0, 1 << 20, nil, 7},
		"what is small": {0, 6 << 20, nil, 1},
		"one part fails": {0, 0, func() func(http.ResponseWriter, *http.Request) bool {
			var failed atomic.Bool
			return func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasPrefix(r.Header.Get("Range"), "bytes=10485760-") || failed.Swap(true) {
					return false
				}
				w.WriteHeader(http.StatusNotFound)
				return true
			}
		}, -1},
		"the whole instead of a part": {0, 0, func() func(http.ResponseWriter, *http.Request) bool {
			var failed atomic.Bool
			return func(w http.ResponseWriter, _ *http.Request) bool {
				if failed.Swap(true) {
					return false
				}
				_, _ = w.Write(content)
				return true
			}
		}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			fail := func(http.ResponseWriter, *http.Request) bool { return false }
			if tt.fail != nil {
				fail = tt.fail()
			}
			f, ranges := far(t, content, fail)
			got, err := readFrom(t, f.open(t, remote.Options{Parallel: tt.parallel}), content, tt.off)
			if err != nil || !bytes.Equal(got, content[tt.off:]) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if tt.ranges >= 0 && ranges.Load() != tt.ranges {
				t.Errorf("%d ranges, want %d", ranges.Load(), tt.ranges)
			}
		})
	}
}

func TestPartsAreVerified(t *testing.T) {
	content := noise(21 << 20)
	wrong := bytes.Clone(content)
	wrong[9<<20]++
	f, _ := far(t, wrong, nil)
	got, err := readFrom(t, f.open(t, remote.Options{}), content, 0)
	if !errors.Is(err, orlop.ErrDamaged) || len(got) >= len(content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// A reader that is closed early ends what is on its way.
func TestPartsEndWithTheirReader(t *testing.T) {
	content := noise(64 << 20)
	f, ranges := far(t, content, nil)
	b, err := f.open(t, remote.Options{}).OpenBlob(t.Context(), "a", describe(content).Digest, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, b, 5<<20); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if n := ranges.Load(); n > 8 {
		t.Errorf("%d parts were asked for", n)
	}
}

// direct serves requests without a network, so that it runs in the bubble of
// synctest.
type direct struct{ h http.Handler }

func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, req)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	resp := w.Result()
	resp.Request = req
	return resp, nil
}

// pullFrom reads a blob from a registry that answers after a while, and returns
// how many requests for ranges it took. It refuses parts from an offset on.
func pullFrom(t *testing.T, latency time.Duration, content []byte, refuse int64) int64 {
	t.Helper()
	var ranges atomic.Int64
	r, err := remote.New("registry.example", remote.Options{Transport: direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(latency)
		var first, last int64
		if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); n > 0 {
			ranges.Add(1)
			if first >= refuse && last-first < 5<<20 {
				w.WriteHeader(http.StatusNotFound)
				return
			}
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := readFrom(t, r, content, 0)
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	return ranges.Load()
}

func TestPartsAreForFarRegistries(t *testing.T) {
	content := noise(21 << 20)
	for latency, want := range map[time.Duration]int64{9 * time.Millisecond: 0, 10 * time.Millisecond: 6} {
		synctest.Test(t, func(t *testing.T) {
			if got := pullFrom(t, latency, content, math.MaxInt64); got != want {
				t.Errorf("after %v: %d parts, want %d", latency, got, want)
			}
		})
	}
}

// After a part that failed the rest is one answer.
func TestFailedPartsAreGivenUp(t *testing.T) {
	content := noise(40 << 20)
	synctest.Test(t, func(t *testing.T) {
		if got := pullFrom(t, 20*time.Millisecond, content, 12<<20); got > 9 {
			t.Errorf("%d requests for ranges", got)
		}
	})
}
