package s3_test

import (
	"io"
	"strconv"
	"testing"

	"github.com/orlop/orlop/internal/blob/blobtest"
	"github.com/orlop/orlop/internal/blob/s3"
	"github.com/orlop/orlop/internal/testenv/s3test"
)

const benchSize = 256 << 20

func BenchmarkWrite(b *testing.B) {
	bucket := s3test.New(b)
	s := open(b, s3.Options{Bucket: bucket.Name, Endpoint: bucket.Endpoint})
	piece := blobtest.Content(1, 1<<20)
	b.SetBytes(benchSize)
	for i := 0; b.Loop(); i++ {
		w, err := s.Create(b.Context(), "key-"+strconv.Itoa(i))
		if err != nil {
			b.Fatal(err)
		}
		for range benchSize / len(piece) {
			if _, err := w.Write(piece); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	bucket := s3test.New(b)
	s := open(b, s3.Options{Bucket: bucket.Name, Endpoint: bucket.Endpoint})
	w, err := s.Create(b.Context(), "key")
	if err != nil {
		b.Fatal(err)
	}
	for range benchSize >> 20 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchSize)
	for b.Loop() {
		obj, err := s.Open(b.Context(), "key")
		if err != nil {
			b.Fatal(err)
		}
		buf := make([]byte, 1<<20)
		for off := int64(0); off < benchSize; off += 1 << 20 {
			if _, err := obj.ReadAt(buf, off); err != nil && err != io.EOF {
				b.Fatal(err)
			}
		}
		obj.Close()
	}
}
