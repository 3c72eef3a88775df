package remote_test

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/testenv"
	"github.com/orlop/orlop/remote"
)

// smallBlobs calls do for n blobs of 10 KiB, 128 at once.
func smallBlobs(n, seed int, do func(desc orlop.Descriptor, content []byte)) {
	todo := make(chan int)
	var wg sync.WaitGroup
	for range 128 {
		wg.Go(func() {
			for i := range todo {
				content := append(fmt.Appendf(nil, "%d of %d ", i, seed), bytes.Repeat([]byte("x"), 10<<10)...)
				do(orlop.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}, content)
			}
		})
	}
	for i := range n {
		todo <- i
	}
	close(todo)
	wg.Wait()
}

// BenchmarkSmallBlobs moves 1,000 blobs of 10 KiB to orlopd, on the disk, and
// from it.
func BenchmarkSmallBlobs(b *testing.B) {
	srv := testenv.Start(b, testenv.Options{Log: io.Discard})
	reg, err := remote.New(srv.Address, remote.Options{PlainHTTP: true, Credential: admin()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, round := b.Context(), 0
	b.Run("push", func(b *testing.B) {
		for b.Loop() {
			round++
			smallBlobs(1000, round, func(desc orlop.Descriptor, content []byte) {
				if err := reg.PushBlob(ctx, "small", desc, bytes.NewReader(content)); err != nil {
					b.Error(err)
				}
			})
		}
	})
	b.Run("pull", func(b *testing.B) {
		for b.Loop() {
			smallBlobs(1000, 1, func(desc orlop.Descriptor, _ []byte) {
				if _, err := reg.ReadBlob(ctx, "small", desc); err != nil {
					b.Error(err)
				}
			})
		}
	})
}
