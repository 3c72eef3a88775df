package cli

import (
	"context"
	"errors"

	"github.com/spf13/pflag"
)

// concurrencyOptions say how many transfers are under way at once.
type concurrencyOptions struct {
	concurrency int // 0 if it was not given: many small ones, few large ones

	flags *pflag.FlagSet // to tell whether the flag was given
}

func (o *concurrencyOptions) addFlags(fs *pflag.FlagSet) {
	o.flags = fs
	fs.IntVar(&o.concurrency, "concurrency", 0, "transfers at once (default: many small ones, few large ones)")
}

func (o *concurrencyOptions) validate() error {
	if o.concurrency < 1 && o.flags.Changed("concurrency") {
		return errors.New("--concurrency must be at least 1")
	}
	return nil
}

// What is under way at once where --concurrency was not given: small blobs cost
// round trips, of which many can overlap; large ones cost bandwidth, which a few
// fill.
const (
	fewAtOnce   = 3        // however large
	manyAtOnce  = 32       // however small, each of which is a request
	smallAtOnce = 256      // of up to 64 KiB, many of which one request may bring
	smallSize   = 64 << 10 // bytes
	bytesAtOnce = 16 << 20 // of more than a few
)

// inFlight bounds the transfers that are under way at once. One goroutine
// starts them, any may end them.
type inFlight struct {
	limit int        // a fixed number; 0 adapts to the sizes
	ended chan int64 // sizes of transfers that ended

	n     int   // under way
	bytes int64 // of which this is the size
}

func newInFlight(limit int) *inFlight {
	return &inFlight{limit: limit, ended: make(chan int64, max(limit, smallAtOnce))}
}

// start waits until there is room for a transfer of size bytes.
func (f *inFlight) start(ctx context.Context, size int64) error {
	size = counted(size)
	for !f.room(size) {
		select {
		case done := <-f.ended:
			f.n, f.bytes = f.n-1, f.bytes-done
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.n, f.bytes = f.n+1, f.bytes+size
	return nil
}

// end makes room again for what start was told.
func (f *inFlight) end(size int64) { f.ended <- counted(size) }

// counted is what a size counts as. A stranger tells it, so it may be anything,
// and no sum must overflow.
func counted(size int64) int64 { return min(max(size, 0), bytesAtOnce) }

func (f *inFlight) room(size int64) bool {
	switch {
	case f.limit > 0:
		return f.n < f.limit
	case f.n < fewAtOnce:
		return true
	}
	many := manyAtOnce
	if size <= smallSize {
		many = smallAtOnce
	}
	return f.n < many && f.bytes+size <= bytesAtOnce
}
