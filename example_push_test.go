package orlop_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/memory"
)

// Push a file as an artifact: its blob first, then the manifest that refers to
// it, by a tag.
func ExamplePack() {
	ctx := context.Background()
	registry := memory.New() // or remote.New("registry.example", remote.Options{}), or layout.Create("dir")
	content := []byte("Hello!\n")

	file := orlop.Descriptor{
		MediaType:   "text/plain",
		Digest:      digest.FromBytes(content),
		Size:        int64(len(content)),
		Annotations: map[string]string{ocispec.AnnotationTitle: "hello.txt"}, // what a pull calls the file
	}
	manifest, blobs, err := orlop.Pack(orlop.PackOptions{
		ArtifactType: "application/vnd.example.greeting",
		Layers:       []orlop.Descriptor{file},
	})
	if err != nil {
		log.Fatal(err)
	}
	// Pack has blobs of its own: an empty configuration, where there is no other.
	for _, b := range append(blobs, orlop.Blob{Descriptor: file, Content: content}) {
		if err := registry.PushBlob(ctx, "samples/greeting", b.Descriptor, bytes.NewReader(b.Content)); err != nil {
			log.Fatal(err)
		}
	}
	desc, err := registry.PushManifest(ctx, "samples/greeting", manifest.Descriptor.MediaType, manifest.Raw, "1.0", "latest")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(desc.ArtifactType)
	fmt.Println(desc.Digest)
	// Output:
	// application/vnd.example.greeting
	// sha256:34d66d6f6288fbb1fcd4f5eb67c783ca9746c2aeda15f32536b580ebbdb0036f
}

// pushText does what ExamplePack shows; the other examples begin with it.
func pushText(r orlop.Writer, repo, text, tag string) orlop.Descriptor {
	ctx := context.Background()
	layer := orlop.Descriptor{
		MediaType: "text/plain", Digest: digest.FromString(text), Size: int64(len(text)),
		Annotations: map[string]string{ocispec.AnnotationTitle: "hello.txt"},
	}
	m, blobs, err := orlop.Pack(orlop.PackOptions{
		ArtifactType: "application/vnd.example.greeting", Layers: []orlop.Descriptor{layer},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, b := range append(blobs, orlop.Blob{Descriptor: layer, Content: []byte(text)}) {
		if err := r.PushBlob(ctx, repo, b.Descriptor, bytes.NewReader(b.Content)); err != nil {
			log.Fatal(err)
		}
	}
	desc, err := r.PushManifest(ctx, repo, m.Descriptor.MediaType, m.Raw, tag)
	if err != nil {
		log.Fatal(err)
	}
	return desc
}
