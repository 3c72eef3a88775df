package cli

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/spf13/pflag"
)

// TestInFlight counts how many transfers of a size are let through at once.
func TestInFlight(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit int
		sizes []int64 // of the first; the last goes on for ever
		want  int
	}{
		{"small", 0, []int64{1000}, smallAtOnce},
		{"empty", 0, []int64{0}, smallAtOnce},
		{"not so small", 0, []int64{smallSize + 1}, manyAtOnce},
		{"large", 0, []int64{1 << 30}, fewAtOnce},
		{"lies", 0, []int64{math.MaxInt64}, fewAtOnce},
		{"one large, then small", 0, []int64{1 << 30, 1}, fewAtOnce},
		{"middle", 0, []int64{bytesAtOnce / 8}, 8},
		{"given", 2, []int64{0}, 2},
		{"given many", 40, []int64{1 << 30}, 40},
	} {
		running := newInFlight(tt.limit)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // so that the one that has to wait does not
		n := 0
		for ; running.start(ctx, tt.sizes[min(n, len(tt.sizes)-1)]) == nil; n++ {
		}
		if n != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, n, tt.want)
		}
		running.end(tt.sizes[0])
		if err := running.start(t.Context(), tt.sizes[0]); err != nil {
			t.Errorf("%s: after one ended: %v", tt.name, err)
		}
	}
}

func TestConcurrencyFlag(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want int
		ok   bool
	}{
		{nil, 0, true},
		{[]string{"--concurrency", "7"}, 7, true},
		{[]string{"--concurrency", "0"}, 0, false},
		{[]string{"--concurrency", "-1"}, -1, false},
	} {
		var o concurrencyOptions
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.addFlags(fs)
		err := errors.Join(fs.Parse(tt.args), o.validate())
		if o.concurrency != tt.want || (err == nil) != tt.ok {
			t.Errorf("%v: %d, %v", tt.args, o.concurrency, err)
		}
	}
}
