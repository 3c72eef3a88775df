package s3_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/orlop/orlop/internal/blob"
	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/blob/s3"
	"github.com/orlop/orlop/internal/testenv/s3test"
)

func TestMain(m *testing.M) { os.Exit(s3test.Run(m)) }

func open(t testing.TB, o s3.Options) *s3.Store {
	t.Helper()
	o.PathStyle = true
	o.Region, o.KeyID, o.Secret = s3test.Region, s3test.KeyID, s3test.Secret
	s, err := s3.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// variants are the programs that the suites run with.
var variants = []struct {
	name    string
	program s3test.Program
	options s3.Options
}{
	{"versitygw", s3test.Versity, s3.Options{Prefix: "some/where"}},
	{"MinIO", s3test.MinIO, s3.Options{Prefix: "some/where"}},
}

func TestStore(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			blobtest.Run(t, func(t *testing.T) blob.Store {
				b := s3test.NewOn(t, v.program)
				v.options.Bucket, v.options.Endpoint = b.Name, b.Endpoint
				return open(t, v.options)
			})
		})
	}
}

func TestNodes(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			blobtest.RunNodes(t, func(t *testing.T) (a, b blob.Store) {
				bucket := s3test.NewOn(t, v.program)
				v.options.Bucket, v.options.Endpoint = bucket.Name, bucket.Endpoint
				return open(t, v.options), open(t, v.options)
			})
		})
	}
}

// TestChecksums: content is checked by other sums, and forked, and without
// conditions.
func TestChecksums(t *testing.T) {
	bucket := s3test.New(t)
	for _, o := range []s3.Options{{Checksum: s3.SHA256}, {Checksum: s3.MD5}, {Unconditional: true}} {
		o.Bucket, o.Endpoint = bucket.Name, bucket.Endpoint
		s := open(t, o)
		if err := newLife().all(t.Context(), s); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
		l := newLife()
		for _, end := range []int{100 << 10, 9 << 20} {
			if err := l.request(t.Context(), s, end); err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
			w, err := s.Fork(t.Context(), "key", fmt.Sprintf("to-%d", end), int64(end), l.state)
			if err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
			if err := w.Commit(); err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
			if got := blobtest.Get(t, s, fmt.Sprintf("to-%d", end)); !bytes.Equal(got, l.content[:end]) {
				t.Errorf("%+v: a fork of %d bytes differs", o, end)
			}
			for _, key := range []string{"key", fmt.Sprintf("to-%d", end)} {
				if err := s.Delete(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
			l = newLife()
		}
	}
}

// TestManyWriters bounds the memory of many who write at once.
func TestManyWriters(t *testing.T) {
	bucket := s3test.New(t)
	s := open(t, s3.Options{Bucket: bucket.Name, Endpoint: bucket.Endpoint})
	content := blobtest.Content(1, 13<<20)
	var most atomic.Int64
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			w, err := s.Create(t.Context(), fmt.Sprintf("key-%d", i))
			if err != nil {
				t.Error(err)
				return
			}
			defer w.Close()
			for piece := range slices.Chunk(content, 256<<10) {
				if _, err := w.Write(piece); err != nil {
					t.Error(err)
				}
				for lent := s.Lent(); lent > most.Load(); {
					most.Store(lent)
				}
			}
			if err := w.Commit(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if mib := most.Load() * s3.ChunkSize >> 20; mib > 200 {
		t.Errorf("%d MiB of memory", mib)
	} else {
		t.Logf("%d MiB of memory", mib)
	}
	if got := blobtest.Get(t, s, "key-17"); !bytes.Equal(got, content) {
		t.Error("an object is not what was written")
	}
}
