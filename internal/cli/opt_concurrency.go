package cli

import (
	"errors"
	"iter"

	"github.com/spf13/pflag"

	"github.com/orlop/orlop"
)

// concurrencyOptions say how many transfers are under way at once.
type concurrencyOptions struct {
	usual       int // without the flag; set before addFlags
	concurrency int

	flags *pflag.FlagSet // to tell whether the flag was given
}

// Small blobs cost round trips rather than bandwidth.
const (
	smallBlob       = 256 << 10 // bytes, on average
	manySmallAtOnce = 16
)

func (o *concurrencyOptions) addFlags(fs *pflag.FlagSet) {
	o.flags = fs
	fs.IntVar(&o.concurrency, "concurrency", o.usual, "transfers at once; if not given, more where files are small")
}

func (o *concurrencyOptions) validate() error {
	if o.concurrency < 1 {
		return errors.New("--concurrency must be at least 1")
	}
	return nil
}

// forBlobs returns how many of these blobs to move at once.
func (o *concurrencyOptions) forBlobs(blobs iter.Seq[orlop.Descriptor]) int {
	if o.flags.Changed("concurrency") {
		return o.concurrency
	}
	var n, total int64
	for b := range blobs {
		n, total = n+1, total+max(b.Size, 0)
		if total < 0 { // sizes are what a stranger says
			return o.concurrency
		}
	}
	if n > 0 && total/n <= smallBlob {
		return max(o.concurrency, manySmallAtOnce)
	}
	return o.concurrency
}
