package cli

import (
	"math"
	"slices"
	"testing"

	"github.com/spf13/pflag"

	"github.com/orlop/orlop"
)

func TestConcurrency(t *testing.T) {
	small, large := orlop.Descriptor{Size: 1000}, orlop.Descriptor{Size: 1 << 30}
	for _, tt := range []struct {
		name  string
		args  []string
		blobs []orlop.Descriptor
		want  int
	}{
		{"nothing", nil, nil, 3},
		{"small", nil, []orlop.Descriptor{small, small}, 16},
		{"large", nil, []orlop.Descriptor{small, large}, 3},
		{"lies", nil, []orlop.Descriptor{{Size: -5}, {Size: math.MaxInt64}, {Size: math.MaxInt64}, small}, 3},
		{"given", []string{"--concurrency", "2"}, []orlop.Descriptor{small, small}, 2},
		{"given many", []string{"--concurrency", "40"}, []orlop.Descriptor{small, small}, 40},
	} {
		o := concurrencyOptions{usual: 3}
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.addFlags(fs)
		if err := fs.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		if got := o.forBlobs(slices.Values(tt.blobs)); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
