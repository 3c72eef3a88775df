package workers

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestEach(t *testing.T) {
	for _, limit := range []int{1, 3, 1000} {
		var mu sync.Mutex
		var got []int
		var now, most atomic.Int32
		things := make([]int, 500)
		for i := range things {
			things[i] = i
		}
		err := Each(t.Context(), limit, slices.Values(things), func(_ context.Context, i int) error {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, i)
			return nil
		})
		slices.Sort(got)
		if err != nil || !slices.Equal(got, things) || int(most.Load()) > limit {
			t.Errorf("%d at once: %d calls, %d at once, %v", limit, len(got), most.Load(), err)
		}
	}
}

// forever gives things until nobody wants more.
func forever(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}

func TestTheFirstErrorEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		err := Each(t.Context(), 4, forever, func(ctx context.Context, i int) error {
			if i == 10 {
				time.Sleep(time.Second)
				return broken
			}
			if i > 10 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		if !errors.Is(err, broken) {
			t.Error(err)
		}
	})
}

func TestTheEndOfTheContextEndsAll(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := Each(ctx, 4, forever, func(_ context.Context, i int) error {
		if i == 100 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
