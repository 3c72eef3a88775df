package registry

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/blob/fs"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/meta/sqlmeta"
)

// openDisk opens an engine on the disk.
func openDisk(tb testing.TB) *Registry {
	tb.Helper()
	dir := tb.TempDir()
	db, err := sqlmeta.Open(tb.Context(), filepath.Join(dir, "meta.db"), sqlmeta.Options{KeepDeleted: time.Hour})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	blobs, err := fs.Open(filepath.Join(dir, "blobs"), fs.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { blobs.Close() })
	svc, err := New(db, blobs, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return svc.Registry(meta.DefaultRegistry, Actor{ID: "1", Name: "tester"})
}

// pushArtifact pushes a small artifact: configuration, layer, manifest by tag.
func pushArtifact(tb testing.TB, reg *Registry, repo, tag string, n int) orlop.Descriptor {
	tb.Helper()
	config, layer := fmt.Appendf(nil, "config %d", n), bytes.Repeat(fmt.Appendf(nil, "%16d", n), 64)
	for _, b := range [][]byte{config, layer} {
		desc := orlop.Descriptor{Digest: digest.FromBytes(b), Size: int64(len(b))}
		if err := reg.PushBlob(tb.Context(), repo, desc, bytes.NewReader(b)); err != nil {
			tb.Fatal(err)
		}
	}
	raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.example.config","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"application/vnd.example.layer","digest":%q,"size":%d}]}`,
		ocispec.MediaTypeImageManifest, digest.FromBytes(config), len(config), digest.FromBytes(layer), len(layer))
	desc, err := reg.PushManifest(tb.Context(), repo, "", raw, tag)
	if err != nil {
		tb.Fatal(err)
	}
	return desc
}

// BenchmarkSmallArtifact pushes small artifacts, durably, from 16 workers.
func BenchmarkSmallArtifact(b *testing.B) {
	reg := openDisk(b)
	var n atomic.Int64
	b.SetParallelism(8) // times two cores
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(n.Add(1))
			pushArtifact(b, reg, "bench/small", fmt.Sprintf("t%d", i), i)
		}
	})
}

// BenchmarkManifestByTag reads a manifest that is in the cache.
func BenchmarkManifestByTag(b *testing.B) {
	reg := openDisk(b)
	pushArtifact(b, reg, "bench/small", "v1", 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := reg.Manifest(b.Context(), "bench/small", "v1"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTagsPage reads a page of 100 of 20,000 tags.
func BenchmarkTagsPage(b *testing.B) {
	reg := openDisk(b)
	addTags(b, reg, "bench/tags", 20_000)
	b.ResetTimer()
	for b.Loop() {
		tags, more, err := reg.TagsPage(b.Context(), "bench/tags", "t10000", 100)
		if err != nil || len(tags) != 100 || !more {
			b.Fatal(len(tags), more, err)
		}
	}
}

// addTags gives a manifest n tags and returns it.
func addTags(tb testing.TB, reg *Registry, repo string, n int) orlop.Manifest {
	tb.Helper()
	desc := pushArtifact(tb, reg, repo, "t00000", 1)
	m, err := reg.Manifest(tb.Context(), repo, string(desc.Digest))
	if err != nil {
		tb.Fatal(err)
	}
	for i := 0; i < n; i += 100 {
		tags := make([]string, min(100, n-i))
		for k := range tags {
			tags[k] = fmt.Sprintf("t%05d", i+k)
		}
		if _, err := reg.PushManifest(tb.Context(), repo, "", m.Raw, tags...); err != nil {
			tb.Fatal(err)
		}
	}
	return m
}

// BenchmarkAddTag adds tags, durably, from 16 workers, to repositories with few
// tags and with many.
func BenchmarkAddTag(b *testing.B) {
	for _, n := range []int{1, 20_000} {
		b.Run(fmt.Sprintf("beside %d", n), func(b *testing.B) {
			reg := openDisk(b)
			m := addTags(b, reg, "bench/tags", n)
			var next atomic.Int64
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := reg.PushManifest(b.Context(), "bench/tags", "", m.Raw, fmt.Sprintf("n%d", next.Add(1))); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkReferrers lists 1,000 referrers of one subject.
func BenchmarkReferrers(b *testing.B) {
	reg := openDisk(b)
	subject := pushArtifact(b, reg, "bench/refs", "subject", 1)
	empty := []byte("{}")
	if err := reg.PushBlob(b.Context(), "bench/refs", orlop.Descriptor{Digest: digest.FromBytes(empty), Size: 2}, bytes.NewReader(empty)); err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.example.sbom",`+
			`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[],`+
			`"subject":{"mediaType":%q,"digest":%q,"size":%d},"annotations":{"n":"%d"}}`,
			ocispec.MediaTypeImageManifest, digest.FromBytes(empty), subject.MediaType, subject.Digest, subject.Size, i)
		if _, err := reg.PushManifest(b.Context(), "bench/refs", "", raw); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for b.Loop() {
		if list, _, err := reg.ReferrersPage(b.Context(), "bench/refs", subject.Digest, "", "", 1000); err != nil || len(list) < 100_000 {
			b.Fatal(len(list), err)
		}
	}
}
