package layout_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/memory"
)

// Push 5,000 manifests, each with a tag, to a directory and to a tar file.
func BenchmarkPushManifests(b *testing.B) {
	const n = 5000
	for name, open := range map[string]func() (*layout.Registry, error){
		"directory": func() (*layout.Registry, error) {
			r, err := layout.Create(b.TempDir())
			if err == nil {
				r.Batch()
			}
			return r, err
		},
		"tar": func() (*layout.Registry, error) { return layout.CreateTar(filepath.Join(b.TempDir(), "layout.tar")) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := open()
				if err != nil {
					b.Fatal(err)
				}
				for i := range n {
					raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",`+
						`"manifests":[],"annotations":{"n":"%d"}}`, i)
					if _, err := r.PushManifest(b.Context(), "", "", raw, fmt.Sprint("v", i)); err != nil {
						b.Fatal(err)
					}
				}
				if err := r.Commit(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Copy an artifact of 2,000 small blobs to a directory and to a tar file.
func BenchmarkCopySmall(b *testing.B) {
	src := memory.New()
	var texts []string
	for i := range 2000 {
		texts = append(texts, fmt.Sprint("text ", i))
	}
	if _, err := tryPushTexts(b, named{src, "a"}, texts, "v1"); err != nil {
		b.Fatal(err)
	}
	for name, open := range map[string]func() (*layout.Registry, error){
		"directory": func() (*layout.Registry, error) { return layout.Create(b.TempDir()) },
		"tar":       func() (*layout.Registry, error) { return layout.CreateTar(filepath.Join(b.TempDir(), "layout.tar")) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r, err := open()
				if err == nil {
					_, err = orlop.Copy(b.Context(), r, "", src, "a", "v1", orlop.CopyOptions{Tags: []string{"v1"}})
				}
				if err == nil {
					err = r.Commit(b.Context())
				}
				if err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}
