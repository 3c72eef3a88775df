package orlop_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// distant is a registry of which every answer takes a while, as over a network.
type distant struct{ *memory.Registry }

const trip = time.Millisecond

func (d distant) StatBlob(ctx context.Context, repo string, dgst digest.Digest) (orlop.Descriptor, error) {
	time.Sleep(trip)
	return d.Registry.StatBlob(ctx, repo, dgst)
}

func (d distant) PushBlob(ctx context.Context, repo string, desc orlop.Descriptor, content io.Reader) error {
	time.Sleep(trip)
	return d.Registry.PushBlob(ctx, repo, desc, content)
}

func (d distant) PushOrMount(ctx context.Context, repo, _ string, desc orlop.Descriptor, content io.Reader) (bool, error) {
	return false, d.PushBlob(ctx, repo, desc, content)
}

// Copy 2,000 small blobs, at once and to a registry that is a millisecond away.
func BenchmarkCopySmall(b *testing.B) {
	src := memory.New()
	pushMany(b, src, "from", 2000, "v1")
	for name, open := range map[string]func() orlop.Target{
		"memory":  func() orlop.Target { return memory.New() },
		"distant": func() orlop.Target { return distant{memory.New()} },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := orlop.Copy(b.Context(), open(), "to", src, "from", "v1", orlop.CopyOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
